/**
 * Finds the subject's own colors where it is partly transparent and the backdrop shines through. What is computed, and why,
 * stands at the same function in JavaScript, test/cutout/pixels/reference/foreground.ts.
 */
import { take, takeClear } from './memory'
import { maximumOf } from './samples'

// Windows are squares with these sides in a picture whose longer side is `referenceSide`, and grow with it.
const referenceSide: i32 = 1024
const wideWindow: i32 = 97
const narrowWindow: i32 = 7
/** Cells of the fine grid along the longer side; four by four of them make a cell of the coarse grid. */
const fineCells: i32 = 384
const cellsInCell: i32 = 4
const wideRidge: f64 = 1e-3
const wideRidgePerVariance: f64 = 3
const narrowRidge: f64 = 0.02
const detail: f64 = 1.6
const hiddenWeight: f64 = 1e-4

/** What is summed over a cell: count, α, α², αI (3), (1 - α)I (3), I². */
const sums: i32 = 10
/** What is solved for: foreground (3), background (3). */
const colors: i32 = 6

export class Foreground {
  width: i32 = 0
  height: i32 = 0
  channels: i32 = 0
  /** Side of a cell of the fine grid, in pixels; cells at the right and at the bottom may be smaller. */
  cell: i32 = 0
  columns: i32 = 0
  rows: i32 = 0
  /** u8: cells with a pixel that is neither clear nor opaque. */
  soft: usize = 0
  isSoft: bool = false

  coarseColumns: i32 = 0
  coarseRows: i32 = 0
  wideRadius: i32 = 0
  /** u8: coarse cells that are summed. */
  wideNeeded: usize = 0
  /** f32, `sums` for each coarse cell. */
  wideSums: usize = 0
  /** f32, `colors` for each coarse cell; zeros far from soft pixels. */
  wideColors: usize = 0

  radius: i32 = 0
  /** u8: fine cells that have colors, and those that are summed for them. */
  solved: usize = 0
  needed: usize = 0
  /** f32: rows of sums and of colors that are in use, each at its number modulo theirs. */
  rowsOfSums: usize = 0
  rowsOfColors: usize = 0
  /** f64: sums of the columns of a window, sums of the window, and colors it is held to. */
  columnSums: usize = 0
  window: usize = 0
  prior: usize = 0
  line: usize = 0
  nextSum: i32 = 0
  nextRow: i32 = 0
  /** f64, of each level of an 8-bit alpha: how much of what is unexplained belongs to the foreground. */
  gains: usize = 0
}

export function foreground(width: i32, height: i32, channels: i32): Foreground {
  const f = changetype<Foreground>(takeClear(offsetof<Foreground>()))
  f.width = width
  f.height = height
  f.channels = channels
  f.cell = max(1, (max(width, height) + fineCells - 1) / fineCells)
  f.columns = (width + f.cell - 1) / f.cell
  f.rows = (height + f.cell - 1) / f.cell
  f.soft = takeClear(f.columns * f.rows)
  return f
}

/** Flags the cells of a row of alpha; the bytes behind it, to a multiple of 16, are 0. */
export function findSoft<T>(f: Foreground, y: i32, alpha: usize): void {
  const flags = f.soft + (y / f.cell) * f.columns
  const maximum = <T>maximumOf<T>()
  if (sizeof<T>() === 1) {
    for (let x = 0; x < f.width; x += 16) {
      const values = v128.load(alpha + x)
      const plain = v128.or(i8x16.eq(values, i8x16.splat(0)), i8x16.eq(values, i8x16.splat(-1)))
      for (let bits = ~i8x16.bitmask(plain) & 0xffff; bits !== 0; bits &= bits - 1) {
        store<u8>(flags + (x + ctz(bits)) / f.cell, 1)
        f.isSoft = true
      }
    }
    return
  }
  for (let x = 0; x < f.width; x++) {
    const value = load<T>(alpha + x * sizeof<T>())
    if (value === 0 || value === maximum) continue
    store<u8>(flags + x / f.cell, 1)
    f.isSoft = true
  }
}

/** Once all soft cells are known: which cells have to be summed. */
export function plan<T>(f: Foreground): void {
  f.coarseColumns = (f.width + f.cell * cellsInCell - 1) / (f.cell * cellsInCell)
  f.coarseRows = (f.height + f.cell * cellsInCell - 1) / (f.cell * cellsInCell)
  f.wideRadius = reach(f, wideWindow, f.cell * cellsInCell)
  const near = takeClear(f.coarseColumns * f.coarseRows)
  for (let y = 0; y < f.rows; y++) {
    const row = near + (y / cellsInCell) * f.coarseColumns
    for (let x = 0; x < f.columns; x++) {
      if (load<u8>(f.soft + y * f.columns + x)) store<u8>(row + x / cellsInCell, 1)
    }
  }
  // Interpolation reaches two cells beyond the soft ones.
  f.wideNeeded = dilate(near, f.coarseColumns, f.coarseRows, f.wideRadius + 2)
  f.wideSums = takeClear(f.coarseColumns * f.coarseRows * sums * 4)
  f.wideColors = takeClear(f.coarseColumns * f.coarseRows * colors * 4)

  f.radius = reach(f, narrowWindow, f.cell)
  f.solved = dilate(f.soft, f.columns, f.rows, 1)
  f.needed = dilate(f.soft, f.columns, f.rows, 1 + f.radius)
  f.rowsOfSums = takeClear((2 * f.radius + 1) * f.columns * sums * 4)
  f.rowsOfColors = takeClear(3 * f.columns * colors * 4)
  f.columnSums = takeClear(max(f.columns, f.coarseColumns) * sums * 8)
  f.window = takeClear(sums * 8)
  f.prior = takeClear(colors * 8)
  f.line = takeClear(f.columns * colors * 4)
  if (sizeof<T>() > 1) return
  f.gains = take(256 * 8)
  for (let level = 0; level < 256; level++) store<f64>(f.gains + level * 8, gain(<f64>level / 255))
}

/** How many cells a window reaches to each side of its own. */
function reach(f: Foreground, window: i32, cell: i32): i32 {
  const cells = (<f64>window * <f64>max(f.width, f.height)) / <f64>referenceSide / <f64>cell
  return max(1, <i32>Math.floor((cells - 1) / 2 + 0.5))
}

/** Flags within `radius` cells of a flag, diagonals included. */
function dilate(flags: usize, width: i32, height: i32, radius: i32): usize {
  const result = takeClear(width * height)
  for (let y = 0; y < height; y++) {
    const row = flags + y * width
    const last = min(height - 1, y + radius)
    for (let x = 0; x < width; x++) {
      if (load<u8>(row + x) === 0) continue
      const from = max(0, x - radius)
      while (x < width && load<u8>(row + x) !== 0) x++
      const to = min(width, x + radius)
      for (let at = max(0, y - radius); at <= last; at++)
        memory.fill(result + at * width + from, 1, to - from)
    }
  }
  return result
}

/**
 * Adds the sums over a cell to `into`, colors scaled to 0..1. Of large cells every `step`th pixel in both directions
 * stands for its neighbors. A pixel is weighted by its own opacity in the picture.
 *
 * @param pixels, alpha the rows of the cell, as wide as the picture
 */
function addCell<T>(
  f: Foreground,
  pixels: usize,
  alpha: usize,
  left: i32,
  tall: i32,
  step: i32,
  into: usize,
): void {
  const right = min(left + f.cell, f.width)
  const wide = right - left
  const top = min(step, tall) >> 1
  const start = left + (min(step, wide) >> 1)
  const scale: f64 = 1 / maximumOf<T>()
  let count: f64 = 0
  let a: f64 = 0
  let aa: f64 = 0
  let ar: f64 = 0
  let ag: f64 = 0
  let ab: f64 = 0
  let r: f64 = 0
  let g: f64 = 0
  let b: f64 = 0
  let square: f64 = 0
  let seen = 0
  if (sizeof<T>() === 1 && f.channels === 3) {
    // All sums are whole numbers below 2^24, which single precision holds exactly. The fourth sums are counts.
    let plain = f32x4.splat(0)
    let weighted = f32x4.splat(0)
    let squares = f32x4.splat(0)
    const one = f32x4.replace_lane(f32x4.splat(0), 3, 1)
    const color = i32x4(-1, -1, -1, 0)
    let opacities: u32 = 0
    for (let y = top; y < tall; y += step) {
      const row = pixels + y * f.width * 3
      const alphas = alpha + y * f.width
      for (let x = start; x < right; x += step) {
        const bytes = v128.load32_zero(row + x * 3)
        const values = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)))
        const pixel = v128.or(v128.and(values, color), one)
        const opacity = <u32>load<u8>(alphas + x)
        plain = f32x4.add(plain, pixel)
        weighted = f32x4.add(weighted, f32x4.mul(pixel, f32x4.splat(<f32>opacity)))
        squares = f32x4.add(squares, f32x4.mul(pixel, pixel))
        opacities += opacity * opacity
      }
    }
    count = f32x4.extract_lane(plain, 3)
    seen = <i32>count
    a = <f64>f32x4.extract_lane(weighted, 3) * scale
    aa = <f64>opacities * scale * scale
    ar = <f64>f32x4.extract_lane(weighted, 0) * scale
    ag = <f64>f32x4.extract_lane(weighted, 1) * scale
    ab = <f64>f32x4.extract_lane(weighted, 2) * scale
    r = f32x4.extract_lane(plain, 0)
    g = f32x4.extract_lane(plain, 1)
    b = f32x4.extract_lane(plain, 2)
    square =
      <f64>f32x4.extract_lane(squares, 0) +
      <f64>f32x4.extract_lane(squares, 1) +
      <f64>f32x4.extract_lane(squares, 2)
  } else {
    for (let y = top; y < tall; y += step) {
      for (let x = start; x < right; x += step) {
        const index = y * f.width + x
        const from = pixels + index * f.channels * sizeof<T>()
        let matte = <f64>load<T>(alpha + index * sizeof<T>()) * scale
        let weight: f64 = 1
        if (f.channels === 4) {
          weight = Math.max(<f64>load<T>(from + 3 * sizeof<T>()) * scale, hiddenWeight)
          matte = matte < weight ? matte / weight : 1
        }
        const red = <f64>load<T>(from)
        const green = <f64>load<T>(from + sizeof<T>())
        const blue = <f64>load<T>(from + 2 * sizeof<T>())
        const weighted = matte * weight
        seen++
        count += weight
        a += weighted
        aa += weighted * matte
        ar += weighted * red
        ag += weighted * green
        ab += weighted * blue
        r += weight * red
        g += weight * green
        b += weight * blue
        square += weight * (red * red + green * green + blue * blue)
      }
    }
  }
  const share = <f64>(wide * tall) / <f64>seen
  const color = share * scale
  add(into, count * share)
  add(into + 4, a * share)
  add(into + 8, aa * share)
  add(into + 12, ar * color)
  add(into + 16, ag * color)
  add(into + 20, ab * color)
  add(into + 24, (r - ar) * color)
  add(into + 28, (g - ag) * color)
  add(into + 32, (b - ab) * color)
  add(into + 36, square * color * scale)
}

function add(into: usize, value: f64): void {
  store<f32>(into, <f32>(<f64>load<f32>(into) + value))
}

/** The distance of the samples that stand for a cell with a soft pixel. */
export function softStep(f: Foreground): i32 {
  return (f.cell + 5) / 6
}

/** The same for other cells that wide windows need. */
export function plainStep(f: Foreground): i32 {
  return (f.cell + 1) / 2
}

/** Whether wide windows need a row of fine cells. */
export function isNeededWide(f: Foreground, y: i32): bool {
  return hasFlag(f.wideNeeded + (y / cellsInCell) * f.coarseColumns, f.coarseColumns)
}

export function hasSoft(f: Foreground, y: i32): bool {
  return hasFlag(f.soft + y * f.columns, f.columns)
}

function hasFlag(flags: usize, count: i32): bool {
  for (let i = 0; i < count; i++) if (load<u8>(flags + i)) return true
  return false
}

/** Sums a row of fine cells for wide windows. */
export function addWide<T>(f: Foreground, y: i32, pixels: usize, alpha: usize): void {
  const row = (y / cellsInCell) * f.coarseColumns
  const tall = min(f.cell, f.height - y * f.cell)
  const fine = softStep(f)
  const coarse = plainStep(f)
  for (let x = 0; x < f.columns; x++) {
    const cell = row + x / cellsInCell
    if (load<u8>(f.wideNeeded + cell) === 0) continue
    const step = load<u8>(f.soft + y * f.columns + x) === 1 ? fine : coarse
    addCell<T>(f, pixels, alpha, x * f.cell, tall, step, f.wideSums + cell * sums * 4)
  }
}

/** Colors in wide windows around soft cells. */
export function solveWide(f: Foreground): void {
  const width = f.coarseColumns
  const height = f.coarseRows
  const radius = f.wideRadius
  sumRows(f.wideSums, width, height, radius)
  const stride = width * sums
  memory.fill(f.columnSums, 0, stride * 8)
  for (let y = -radius; y < height; y++) {
    const entering = y + radius
    if (entering < height) addAll(f.columnSums, f.wideSums + entering * stride * 4, stride)
    const leaving = y - radius - 1
    if (leaving >= 0) subtractAll(f.columnSums, f.wideSums + leaving * stride * 4, stride)
    if (y < 0) continue
    for (let x = 0; x < width; x++) {
      const cell = y * width + x
      if (load<u8>(f.wideNeeded + cell) === 0) continue
      const window = f.columnSums + x * sums * 8
      const into = f.wideColors + cell * colors * 4
      weightedMeans(window, f.prior)
      solve(window, wideRidge, f.prior, into)
      const ridge = wideRidge + wideRidgePerVariance * unexplained(window, into)
      solve(window, ridge, f.prior, into)
    }
  }
}

/** Replaces each cell's sums by those of the cells up to `radius` to its left and right. */
function sumRows(cells: usize, width: i32, height: i32, radius: i32): void {
  const length = width * sums * 4
  const row = take(length)
  const window = take(sums * 8)
  for (let y = 0; y < height; y++) {
    const from = cells + y * length
    memory.copy(row, from, length)
    memory.fill(window, 0, sums * 8)
    for (let x = -radius; x < width; x++) {
      if (x + radius < width) addAll(window, row + (x + radius) * sums * 4, sums)
      if (x - radius - 1 >= 0) subtractAll(window, row + (x - radius - 1) * sums * 4, sums)
      if (x < 0) continue
      for (let i = 0; i < sums; i++) store<f32>(from + (x * sums + i) * 4, <f32>load<f64>(window + i * 8))
    }
  }
}

/** Adds f32 to f64, an even number of them. */
function addAll(into: usize, values: usize, count: i32): void {
  for (let i = 0; i < count; i += 2) {
    const more = f64x2.promote_low_f32x4(v128.load64_zero(values + i * 4))
    v128.store(into + i * 8, f64x2.add(v128.load(into + i * 8), more))
  }
}

function subtractAll(from: usize, values: usize, count: i32): void {
  for (let i = 0; i < count; i += 2) {
    const less = f64x2.promote_low_f32x4(v128.load64_zero(values + i * 4))
    v128.store(from + i * 8, f64x2.sub(v128.load(from + i * 8), less))
  }
}

/**
 * Solves `(Σα² + r) F + Σα(1 - α) B = ΣαI + r F'` and `Σα(1 - α) F + (Σ(1 - α)² + r) B = Σ(1 - α)I + r B'`, where F'
 * and B' are the prior and r is the ridge times the count.
 */
function solve(s: usize, ridge: f64, prior: usize, into: usize): void {
  const count = load<f64>(s)
  const alpha = load<f64>(s + 8)
  const squares = load<f64>(s + 16)
  const held = ridge * count
  const cross = alpha - squares
  const inside = squares + held
  const outside = count - alpha - cross + held
  const scale: f64 = 1 / (inside * outside - cross * cross)
  for (let channel = 0; channel < 3; channel++) {
    const at = channel * 8
    const f = load<f64>(s + 24 + at) + held * load<f64>(prior + at)
    const b = load<f64>(s + 48 + at) + held * load<f64>(prior + 24 + at)
    store<f32>(into + channel * 4, <f32>share((outside * f - cross * b) * scale))
    store<f32>(into + 12 + channel * 4, <f32>share((inside * b - cross * f) * scale))
  }
}

function share(value: f64): f64 {
  return min<f64>(1, max<f64>(0, value))
}

/** Means of the colors, weighted by α and by 1 - α; the mean of all where the weights are 0. */
function weightedMeans(s: usize, into: usize): void {
  const little: f64 = 1e-5
  const count = load<f64>(s)
  const alpha = load<f64>(s + 8)
  for (let channel = 0; channel < 3; channel++) {
    const f = load<f64>(s + 24 + channel * 8)
    const b = load<f64>(s + 48 + channel * 8)
    store<f64>(into + channel * 8, (f + little * (f + b)) / (alpha + little * count))
    store<f64>(into + 24 + channel * 8, (b + little * (f + b)) / (count - alpha + little * count))
  }
}

/** Mean square per channel of what the colors leave unexplained. */
function unexplained(s: usize, from: usize): f64 {
  const count = load<f64>(s)
  const a = load<f64>(s + 8)
  const aa = load<f64>(s + 16)
  let sum = load<f64>(s + 72)
  for (let channel = 0; channel < 3; channel++) {
    const f = <f64>load<f32>(from + channel * 4)
    const b = <f64>load<f32>(from + 12 + channel * 4)
    sum -= 2 * (f * load<f64>(s + 24 + channel * 8) + b * load<f64>(s + 48 + channel * 8))
    sum += f * f * aa + 2 * f * b * (a - aa) + b * b * (count - 2 * a + aa)
  }
  return max<f64>(0, sum / count / 3)
}

/** Whether narrow windows need the sums of a row of fine cells. */
export function isNeeded(f: Foreground, y: i32): bool {
  return hasFlag(f.needed + y * f.columns, f.columns)
}

/** Sums a row of fine cells for narrow windows; called for each row in turn, with 0 for one that is not needed. */
export function sumRow<T>(f: Foreground, y: i32, pixels: usize, alpha: usize): void {
  const length = f.columns * sums * 4
  const row = f.rowsOfSums + (y % (2 * f.radius + 1)) * length
  memory.fill(row, 0, length)
  f.nextSum = y + 1
  if (pixels === 0) return
  const step = softStep(f)
  const tall = min(f.cell, f.height - y * f.cell)
  for (let x = 0; x < f.columns; x++) {
    if (load<u8>(f.needed + y * f.columns + x) === 0) continue
    addCell<T>(f, pixels, alpha, x * f.cell, tall, step, row + x * sums * 4)
  }
}

function colorRow(f: Foreground, y: i32): usize {
  return f.rowsOfColors + (y % 3) * f.columns * colors * 4
}

/** Solves a row of fine cells, all rows of whose windows are summed. */
export function solveRow(f: Foreground, y: i32): void {
  f.nextRow = y + 1
  const width = f.columns
  const flags = f.solved + y * width
  if (!hasFlag(flags, width)) return
  const columns = f.columnSums
  const window = f.window
  const into = colorRow(f, y)
  const first = max(0, y - f.radius)
  const last = min(f.rows - 1, y + f.radius)
  // Columns of the window before this one are summed already.
  let ready = 0
  for (let x = 0; x < width; x++) {
    if (load<u8>(flags + x) === 0) continue
    const from = max(0, x - f.radius) * sums
    const to = min(width, x + f.radius + 1) * sums
    ready = max(ready, from)
    memory.fill(columns + ready * 8, 0, (to - ready) * 8)
    for (let row = first; row <= last; row++) {
      const values = f.rowsOfSums + (row % (2 * f.radius + 1)) * width * sums * 4
      addAll(columns + ready * 8, values + ready * 4, to - ready)
    }
    ready = to
    memory.fill(window, 0, sums * 8)
    for (let column = from; column < to; column += sums) {
      for (let i = 0; i < sums; i += 2) {
        const more = v128.load(columns + (column + i) * 8)
        v128.store(window + i * 8, f64x2.add(v128.load(window + i * 8), more))
      }
    }
    interpolate(f, x, y, f.prior)
    solve(window, narrowRidge, f.prior, into + x * colors * 4)
  }
}

/** Colors of the coarse grid at the centre of the fine cell (x, y), bilinearly. */
function interpolate(f: Foreground, x: i32, y: i32, into: usize): void {
  const u = min<f64>(max<f64>((<f64>x + 0.5) / cellsInCell - 0.5, 0), f.coarseColumns - 1)
  const v = min<f64>(max<f64>((<f64>y + 0.5) / cellsInCell - 0.5, 0), f.coarseRows - 1)
  const left = <i32>u
  const top = <i32>v * f.coarseColumns
  const right = min(left + 1, f.coarseColumns - 1)
  const bottom = min(<i32>v + 1, f.coarseRows - 1) * f.coarseColumns
  const across = u - Math.floor(u)
  const down = v - Math.floor(v)
  for (let i = 0; i < colors; i++) {
    const above = wideColor(f, top + left, i) * (1 - across) + wideColor(f, top + right, i) * across
    const below = wideColor(f, bottom + left, i) * (1 - across) + wideColor(f, bottom + right, i) * across
    store<f64>(into + i * 8, above * (1 - down) + below * down)
  }
}

function wideColor(f: Foreground, cell: i32, i: i32): f64 {
  return load<f32>(f.wideColors + (cell * colors + i) * 4)
}

/** Writes the soft pixels of a row of fine cells; that row, the one above and the one below are solved. */
export function writeRow<T>(f: Foreground, y: i32, pixels: usize, alpha: usize, rgba: usize): void {
  const above = colorRow(f, max(0, y - 1))
  const here = colorRow(f, y)
  const below = colorRow(f, min(f.rows - 1, y + 1))
  const flags = y * f.columns
  const tall = min(f.cell, f.height - y * f.cell)
  for (let inCell = 0; inCell < tall; inCell++) {
    const offset = (<f64>inCell + 0.5) / <f64>f.cell - 0.5
    const other = offset < 0 ? above : below
    const away = Math.abs(offset)
    for (let x = 0; x < f.columns; x++) {
      if (load<u8>(f.solved + flags + x) === 0) continue
      for (let i = x * colors * 4; i < (x + 1) * colors * 4; i += 4) {
        const own = <f64>load<f32>(here + i)
        store<f32>(f.line + i, <f32>(own + (<f64>load<f32>(other + i) - own) * away))
      }
    }
    const row = inCell * f.width
    for (let x = 0; x < f.columns; x++) {
      if (load<u8>(f.soft + flags + x) === 0) continue
      writePixels<T>(
        f,
        x,
        pixels + row * f.channels * sizeof<T>(),
        alpha + row * sizeof<T>(),
        rgba + row * 4 * sizeof<T>(),
      )
    }
  }
}

/** Writes the soft pixels of one cell in one row of pixels. */
function writePixels<T>(f: Foreground, column: i32, pixels: usize, alpha: usize, rgba: usize): void {
  const maximum = maximumOf<T>()
  const here = f.line + column * colors * 4
  const left = column * f.cell
  const right = min(left + f.cell, f.width)
  let inCell: f64 = 0.5
  for (let at = left; at < right; at++, inCell += 1) {
    const value = load<T>(alpha + at * sizeof<T>())
    if (value === 0 || value === <T>maximum) continue
    const from = pixels + at * f.channels * sizeof<T>()
    let a = <f64>value / maximum
    if (f.channels === 4) {
      a = (a * maximum) / <f64>load<T>(from + 3 * sizeof<T>())
      if (!(a < 1)) continue
    }
    const offset = inCell / <f64>f.cell - 0.5
    const next = offset < 0 ? max(0, column - 1) : min(f.columns - 1, column + 1)
    const other = f.line + next * colors * 4
    const away = Math.abs(offset)
    const share = sizeof<T>() === 1 && f.channels === 3 ? load<f64>(f.gains + <usize>value * 8) : gain(a)
    const to = rgba + at * 4 * sizeof<T>()
    const redGreen = mixed<T>(here, other, away, a, share, from)
    // The second lane is nobody's: the first of the colors behind, and the next pixel's red.
    const blue = mixed<T>(here + 8, other + 8, away, a, share, from + 2 * sizeof<T>())
    store<T>(to, <T>i32x4.extract_lane(redGreen, 0))
    store<T>(to + sizeof<T>(), <T>i32x4.extract_lane(redGreen, 1))
    store<T>(to + 2 * sizeof<T>(), <T>i32x4.extract_lane(blue, 0))
  }
}

/** Two channels of a pixel's own color. */
function mixed<T>(here: usize, other: usize, away: f64, a: f64, share: f64, from: usize): v128 {
  const maximum = maximumOf<T>()
  const fore = between(here, other, away)
  const back = between(here + 12, other + 12, away)
  const seen = f64x2.add(f64x2.mul(f64x2.splat(a), fore), f64x2.mul(f64x2.splat(1 - a), back))
  const unexplained = f64x2.sub(fore, f64x2.mul(f64x2.splat(share), seen))
  const first = f64x2.splat(<f64>load<T>(from))
  const pixel = f64x2.replace_lane(first, 1, <f64>load<T>(from + sizeof<T>()))
  const own = f64x2.mul(f64x2.splat(share), pixel)
  const color = f64x2.add(f64x2.mul(unexplained, f64x2.splat(maximum)), own)
  const inside = f64x2.min(f64x2.max(color, f64x2.splat(0)), f64x2.splat(maximum))
  return i32x4.trunc_sat_f64x2_u_zero(f64x2.add(inside, f64x2.splat(0.5)))
}

function between(here: usize, other: usize, away: f64): v128 {
  const own = f64x2.promote_low_f32x4(v128.load64_zero(here))
  const next = f64x2.promote_low_f32x4(v128.load64_zero(other))
  return f64x2.add(own, f64x2.mul(f64x2.sub(next, own), f64x2.splat(away)))
}

/** How much of a pixel's unexplained difference belongs to its foreground, by its alpha; 1 when opaque. */
function gain(a: f64): f64 {
  return a / (1 - detail * a * (1 - a))
}
