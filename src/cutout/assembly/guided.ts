/**
 * Brings a small matte to a picture's full size along the picture's own edges: the fast guided filter. What is computed, and
 * why, stands at the same function in JavaScript, test/cutout/pixels/reference/guided.ts. Here only what lies near a cell
 * that is neither 0 nor 1 is computed, row by row of the grid, and only the rows in use are kept.
 */
import { addRow } from './enlarge'
import { readPicture } from './host'
import { take, takeClear } from './memory'
import { toBytes } from './samples'

/** Windows reach this many cells of the grid to each side. */
const radius: i32 = 2
const diameter: i32 = 2 * radius + 1
/** A window with less variance of colors (0..1) than this counts as even. */
const epsilon: f64 = 1e-4
/** Sums over a window: I (3), p, Ip (3), II (6), pp. */
const moments: i32 = 14
/** Results of a window: a (3) and b of `alpha = a * color + b`, the trust in them, and room to a multiple of four. */
const coefficients: i32 = 8

export class Guided {
  width: i32 = 0
  height: i32 = 0
  channels: i32 = 0
  /** The grid: the matte's size, or the picture's where that is smaller. */
  columns: i32 = 0
  rows: i32 = 0
  across: f64 = 0
  down: f64 = 0
  /** f32 for each cell, 0..1. */
  matte: usize = 0
  /** u8 for each cell: 1 where all windows around it are 0, 2 where all are 1, otherwise 0. */
  even: usize = 0
  /** The same of the one window. */
  evenWindow: usize = 0
  /** u8: cells whose color is needed. */
  needed: usize = 0
  /** u8: cells whose moments are needed. */
  summed: usize = 0

  /** Rows of the grid that are in use, each at its number modulo theirs. */
  averages: usize = 0
  softened: usize = 0
  sums: usize = 0
  fitted: usize = 0
  means: usize = 0
  /** How many rows of each are finished. */
  picturesRead: i32 = 0
  averaged: i32 = 0
  summedRows: i32 = 0
  fittedRows: i32 = 0
  meanRows: i32 = 0

  /** f64: sums of the columns of a window, and of the window. */
  columnSums: usize = 0
  window: usize = 0
  /** f32: coefficients between two rows of the grid. */
  line: usize = 0
  /** u32, f32 and u32: for each pixel of a row the cell before it and how far it is to the next; for each cell its last pixel. */
  first: usize = 0
  weight: usize = 0
  end: usize = 0
  /** A row of pixels, and the same in 8 bits. */
  pixels: usize = 0
  bytes: usize = 0
  row: usize = 0
}

export function guided<T>(
  values: usize,
  matteWidth: i32,
  matteHeight: i32,
  width: i32,
  height: i32,
  channels: i32,
): Guided {
  const g = changetype<Guided>(takeClear(offsetof<Guided>()))
  g.width = width
  g.height = height
  g.channels = channels
  g.columns = min(width, matteWidth)
  g.rows = min(height, matteHeight)
  g.across = <f64>width / <f64>g.columns
  g.down = <f64>height / <f64>g.rows
  g.matte = smallMatte(values, matteWidth, matteHeight, g.columns, g.rows)
  const cells = g.columns * g.rows
  const plain = take(cells)
  for (let i = 0; i < cells; i++) {
    const value = load<f32>(g.matte + i * 4)
    store<u8>(plain + i, value === 0 ? 1 : value === 1 ? 2 : 0)
  }
  g.evenWindow = allAround(plain, g.columns, g.rows)
  g.even = allAround(g.evenWindow, g.columns, g.rows)
  g.summed = around(g.evenWindow, g.columns, g.rows, radius)
  // Colors are softened three by three.
  g.needed = around(g.evenWindow, g.columns, g.rows, radius + 1)

  g.averages = takeClear(2 * g.columns * 12 + 16)
  g.softened = takeClear(3 * g.columns * 12 + 16)
  g.sums = takeClear(diameter * g.columns * moments * 8)
  g.fitted = takeClear(diameter * g.columns * coefficients * 4)
  g.means = takeClear(2 * g.columns * 16)
  g.columnSums = takeClear(g.columns * moments * 8)
  g.window = takeClear(moments * 8)
  g.line = takeClear(g.columns * 16)
  g.row = takeClear(g.columns * 12)
  g.first = take(width * 4)
  g.weight = take(width * 4)
  g.end = takeClear(g.columns * 4)
  for (let x = 0; x < width; x++) {
    const at = position(x, width, g.columns)
    const cell = <i32>at
    store<u32>(g.first + x * 4, cell)
    store<f32>(g.weight + x * 4, <f32>(at - <f64>cell))
    store<u32>(g.end + cell * 4, x + 1)
  }
  g.pixels = take(width * channels * sizeof<T>() + 16)
  g.bytes = sizeof<T>() === 1 ? g.pixels : take(width * channels + 16)
  return g
}

function position(pixel: i32, count: i32, cells: i32): f64 {
  return min<f64>(max<f64>(((<f64>pixel + 0.5) * <f64>cells) / <f64>count - 0.5, 0), cells - 1)
}

/** The matte at the grid's size, 0..1; exactly 0 or 1 where 8 bits would round it to that. */
function smallMatte(values: usize, width: i32, height: i32, columns: i32, rows: i32): usize {
  const cells = columns * rows
  const result = takeClear(cells * 4)
  const row = take(columns * 4)
  const across = <f64>width / <f64>columns
  const down = <f64>height / <f64>rows
  for (let y = 0; y < height; y++) {
    let from = values + y * width * 4
    if (columns < width) {
      averageValues(from, width, columns, across, row)
      from = row
    }
    const first = min(<i32>(<f64>y / down), rows - 1)
    const border = Math.min(<f64>(first + 1) * down, y + 1)
    addRow(from, (border - <f64>y) / down, columns, result + first * columns * 4)
    const rest = (<f64>(y + 1) - border) / down
    if (rest > 1e-9 && first + 1 < rows) addRow(from, rest, columns, result + (first + 1) * columns * 4)
  }
  const half: f64 = 0.5 / 255
  for (let i = 0; i < cells; i++) {
    const value = <f64>load<f32>(result + i * 4)
    // Sums of multiples of 2^-16 have no rounding error.
    const small = value < half ? 0 : value > 1 - half ? 1 : Math.floor(value * 65536 + 0.5) / 65536
    store<f32>(result + i * 4, <f32>small)
  }
  return result
}

function averageValues(from: usize, width: i32, columns: i32, across: f64, row: usize): void {
  for (let cell = 0; cell < columns; cell++) {
    const start = <f64>cell * across
    const to = start + across
    let sum: f64 = 0
    for (let x = <i32>start; <f64>x < to && x < width; x++) {
      sum += <f64>load<f32>(from + x * 4) * shareOf(x, start, to)
    }
    store<f32>(row + cell * 4, <f32>(sum / across))
  }
}

/** How much of a pixel lies between two places. */
function shareOf(x: i32, from: f64, to: f64): f64 {
  let share: f64 = 1
  if (<f64>x < from) share -= from - <f64>x
  if (<f64>(x + 1) > to) share -= <f64>(x + 1) - to
  return share
}

/** What all flags of the window around a cell have in common. */
function allAround(flags: usize, columns: i32, rows: i32): usize {
  const result = take(columns * rows + 16)
  const line = take(columns + 48) + 16
  for (let y = 0; y < rows; y++) {
    // Beyond the grid everything is in common.
    memory.fill(line - 16, 0xff, columns + 48)
    for (let v = max(0, y - radius); v <= min(rows - 1, y + radius); v++) {
      const other = flags + v * columns
      const whole = columns & ~15
      for (let x = 0; x < whole; x += 16) {
        v128.store(line + x, v128.and(v128.load(line + x), v128.load(other + x)))
      }
      for (let x = whole; x < columns; x++) store<u8>(line + x, load<u8>(line + x) & load<u8>(other + x))
    }
    const into = result + y * columns
    // What is written beyond the row is overwritten by the next.
    for (let x = 0; x < columns; x += 16) {
      const at = line + x - radius
      const left = v128.and(v128.load(at), v128.load(at, 1))
      const right = v128.and(v128.load(at, 3), v128.load(at, 4))
      v128.store(into + x, v128.and(v128.and(left, right), v128.load(at, 2)))
    }
  }
  return result
}

/** Flags (1) within `reach` cells of one that is 0. */
function around(flags: usize, columns: i32, rows: i32, reach: i32): usize {
  const result = takeClear(columns * rows)
  for (let y = 0; y < rows; y++) {
    const row = flags + y * columns
    for (let x = 0; x < columns; x++) {
      if (load<u8>(row + x) !== 0) continue
      const from = max(0, x - reach)
      while (x < columns && load<u8>(row + x) === 0) x++
      const to = min(columns, x + reach)
      for (let v = max(0, y - reach); v <= min(rows - 1, y + reach); v++) {
        memory.fill(result + v * columns + from, 1, to - from)
      }
    }
  }
  return result
}

function isAny(flags: usize, count: i32): bool {
  for (let i = 0; i < count; i++) if (load<u8>(flags + i) !== 0) return true
  return false
}

function isMixed(flags: usize, count: i32): bool {
  for (let i = 0; i < count; i++) if (load<u8>(flags + i) === 0) return true
  return false
}

/**
 * Alpha of a row of pixels; rows are asked for in order.
 *
 * @param own the row of the picture, if it has been read; otherwise 0
 * @param into alpha 0..255
 */
export function guidedRow<T>(g: Guided, y: i32, own: usize, into: usize): void {
  const place = position(y, g.height, g.rows)
  const first = <i32>place
  const next = min(first + 1, g.rows - 1)
  const weight = <f64>(<f32>(place - <f64>first))
  while (g.meanRows <= next) meanRow<T>(g, g.meanRows)
  memory.fill(into, 0, g.width)
  const evenAbove = g.even + first * g.columns
  const evenBelow = g.even + next * g.columns
  let bytes: usize = 0
  // Columns of the line before this one are interpolated already.
  let ready = 0
  for (let from = 0; from < g.width; ) {
    const left = <i32>load<u32>(g.first + from * 4)
    const right = min(left + 1, g.columns - 1)
    const to = <i32>load<u32>(g.end + left * 4)
    const common =
      load<u8>(evenAbove + left) &
      load<u8>(evenAbove + right) &
      load<u8>(evenBelow + left) &
      load<u8>(evenBelow + right)
    if (common === 0) {
      if (bytes === 0) bytes = bytesOf<T>(g, y, own)
      for (ready = max(ready, left); ready <= right; ready++) interpolate(g, first, next, ready, weight)
      apply(g, left, right, from, to, bytes, into)
    } else if (common === 2) memory.fill(into + from, 255, to - from)
    from = to
  }
}

function bytesOf<T>(g: Guided, y: i32, own: usize): usize {
  if (own === 0) readPicture(y, 1, g.pixels)
  const row = own === 0 ? g.pixels : own
  if (sizeof<T>() === 1) return row
  toBytes<T>(row, g.width * g.channels, g.bytes)
  return g.bytes
}

function meansOf(g: Guided, y: i32): usize {
  return g.means + (y & 1) * g.columns * 16
}

function interpolate(g: Guided, first: i32, next: i32, column: i32, weight: f64): void {
  const above = meansOf(g, first) + column * 16
  const below = meansOf(g, next) + column * 16
  const into = g.line + column * 16
  for (let i = 0; i < 16; i += 4) {
    const value = <f64>load<f32>(above + i)
    store<f32>(into + i, <f32>(value + (<f64>load<f32>(below + i) - value) * weight))
  }
}

/** Alpha of the pixels `from` to `to` of a row, which lie between the columns `left` and `right` of the grid. */
function apply(g: Guided, left: i32, right: i32, from: i32, to: i32, bytes: usize, into: usize): void {
  const here = g.line + left * 16
  const other = g.line + right * 16
  const r = <f64>load<f32>(here)
  const green0 = <f64>load<f32>(here + 4)
  const b = <f64>load<f32>(here + 8)
  const base = <f64>load<f32>(here + 12) * 255
  const toR = <f64>load<f32>(other) - r
  const toG = <f64>load<f32>(other + 4) - green0
  const toB = <f64>load<f32>(other + 8) - b
  const toBase = <f64>load<f32>(other + 12) * 255 - base
  for (let x = from; x < to; x++) {
    const weight = <f64>load<f32>(g.weight + x * 4)
    const at = bytes + x * g.channels
    let red = <f64>load<u8>(at)
    let green = <f64>load<u8>(at + 1)
    let blue = <f64>load<u8>(at + 2)
    if (g.channels === 4 && load<u8>(at + 3) < 255) {
      const white: f64 = 255 - <f64>load<u8>(at + 3)
      const own = <f64>load<u8>(at + 3) / 255
      red = red * own + white
      green = green * own + white
      blue = blue * own + white
    }
    const alpha =
      (r + toR * weight) * red +
      (green0 + toG * weight) * green +
      (b + toB * weight) * blue +
      base +
      toBase * weight
    store<u8>(into + x, alpha <= 0 ? 0 : alpha >= 255 ? 255 : <u8>(<i32>(alpha + 0.5)))
  }
}

/** Means of the coefficients over the windows that cover a cell. */
function meanRow<T>(g: Guided, y: i32): void {
  g.meanRows = y + 1
  const columns = g.columns
  const even = g.even + y * columns
  if (!isMixed(even, columns)) {
    plainMeans(g, y)
    return
  }
  while (g.fittedRows <= min(g.rows - 1, y + radius)) fitRow<T>(g, g.fittedRows)
  const first = max(0, y - radius)
  const last = min(g.rows - 1, y + radius)
  const into = meansOf(g, y)
  let ready = 0
  for (let x = 0; x < columns; x++) {
    const flag = load<u8>(even + x)
    if (flag !== 0) {
      v128.store(into + x * 16, f32x4.replace_lane(f32x4.splat(0), 3, flag === 2 ? 1 : 0))
      continue
    }
    const from = max(0, x - radius)
    const to = min(columns, x + radius + 1)
    for (ready = max(ready, from); ready < to; ready++) addColumn(g, first, last, ready)
    let redGreen = f64x2.splat(0)
    let blueBase = f64x2.splat(0)
    let trust = f64x2.splat(0)
    for (let column = from; column < to; column++) {
      const at = g.columnSums + column * 48
      redGreen = f64x2.add(redGreen, v128.load(at))
      blueBase = f64x2.add(blueBase, v128.load(at, 16))
      trust = f64x2.add(trust, v128.load(at, 32))
    }
    const count = <f64>((last - first + 1) * (to - from))
    const counts = f64x2.splat(count)
    const low = f32x4.demote_f64x2_zero(f64x2.div(redGreen, counts))
    const high = f32x4.demote_f64x2_zero(f64x2.div(blueBase, counts))
    v128.store(into + x * 16, v128.shuffle<f32>(low, high, 0, 1, 4, 5))
    const rest = (1 - f64x2.extract_lane(trust, 0) / count) * <f64>load<f32>(g.matte + (y * columns + x) * 4)
    store<f32>(into + x * 16 + 12, <f32>(<f64>load<f32>(into + x * 16 + 12) + rest))
  }
}

/** Rows without a mixed cell are 0 or 1 throughout. */
function plainMeans(g: Guided, y: i32): void {
  const into = meansOf(g, y)
  for (let x = 0; x < g.columns; x++) {
    const flag = load<u8>(g.even + y * g.columns + x)
    v128.store(into + x * 16, f32x4.replace_lane(f32x4.splat(0), 3, flag === 2 ? 1 : 0))
  }
}

/** Sums the coefficients of a column of the window. */
function addColumn(g: Guided, first: i32, last: i32, column: i32): void {
  let redGreen = f64x2.splat(0)
  let blueBase = f64x2.splat(0)
  let trust = f64x2.splat(0)
  for (let row = first; row <= last; row++) {
    const at = g.fitted + ((row % diameter) * g.columns + column) * coefficients * 4
    redGreen = f64x2.add(redGreen, f64x2.promote_low_f32x4(v128.load64_zero(at)))
    blueBase = f64x2.add(blueBase, f64x2.promote_low_f32x4(v128.load64_zero(at, 8)))
    trust = f64x2.add(trust, f64x2.promote_low_f32x4(v128.load64_zero(at, 16)))
  }
  const into = g.columnSums + column * 48
  v128.store(into, redGreen)
  v128.store(into, blueBase, 16)
  v128.store(into, trust, 32)
}

/** The linear function of each window of a row. */
function fitRow<T>(g: Guided, y: i32): void {
  g.fittedRows = y + 1
  const columns = g.columns
  const even = g.evenWindow + y * columns
  const into = g.fitted + (y % diameter) * columns * coefficients * 4
  const first = max(0, y - radius)
  const last = min(g.rows - 1, y + radius)
  while (g.summedRows <= last) sumRow<T>(g, g.summedRows)
  let ready = 0
  for (let x = 0; x < columns; x++) {
    const to = into + x * coefficients * 4
    const flag = load<u8>(even + x)
    if (flag !== 0) {
      v128.store(to, f32x4.replace_lane(f32x4.splat(0), 3, flag === 2 ? 1 : 0))
      v128.store(to, f32x4.replace_lane(f32x4.splat(0), 0, 1), 16)
      continue
    }
    const left = max(0, x - radius)
    const right = min(columns, x + radius + 1)
    for (ready = max(ready, left); ready < right; ready++) {
      const at = g.columnSums + ready * moments * 8
      for (let i = 0; i < moments * 8; i += 16) {
        let sum = f64x2.splat(0)
        for (let row = first; row <= last; row++) {
          sum = f64x2.add(sum, v128.load(g.sums + ((row % diameter) * columns + ready) * moments * 8 + i))
        }
        v128.store(at + i, sum)
      }
    }
    for (let i = 0; i < moments * 8; i += 16) {
      let sum = f64x2.splat(0)
      for (let column = left; column < right; column++) {
        sum = f64x2.add(sum, v128.load(g.columnSums + column * moments * 8 + i))
      }
      v128.store(g.window + i, sum)
    }
    regress(g.window, (last - first + 1) * (right - left), to)
  }
}

/**
 * Least squares with a ridge of `epsilon`: a = (cov(I, I) + epsilon)^-1 cov(I, p), b = mean(p) - a mean(I), both
 * times the trust in them.
 */
function regress(sums: usize, pixels: i32, into: usize): void {
  const count = <f64>pixels
  const r = load<f64>(sums) / count
  const g = load<f64>(sums + 8) / count
  const b = load<f64>(sums + 16) / count
  const p = load<f64>(sums + 24) / count
  const rp = load<f64>(sums + 32) / count - r * p
  const gp = load<f64>(sums + 40) / count - g * p
  const bp = load<f64>(sums + 48) / count - b * p
  const rr = load<f64>(sums + 56) / count - r * r + epsilon
  const rg = load<f64>(sums + 64) / count - r * g
  const rb = load<f64>(sums + 72) / count - r * b
  const gg = load<f64>(sums + 80) / count - g * g + epsilon
  const gb = load<f64>(sums + 88) / count - g * b
  const bb = load<f64>(sums + 96) / count - b * b + epsilon
  // The inverse of a symmetric matrix by its cofactors.
  const c0 = gg * bb - gb * gb
  const c1 = gb * rb - rg * bb
  const c2 = rg * gb - gg * rb
  const scale: f64 = 1 / (rr * c0 + rg * c1 + rb * c2)
  const c4 = rr * bb - rb * rb
  const c5 = rg * rb - rr * gb
  const c8 = rr * gg - rg * rg
  const ar = (c0 * rp + c1 * gp + c2 * bp) * scale
  const ag = (c1 * rp + c4 * gp + c5 * bp) * scale
  const ab = (c2 * rp + c5 * gp + c8 * bp) * scale
  const variance = load<f64>(sums + 104) / count - p * p
  const explained = min<f64>(1, max<f64>(0, ar * rp + ag * gp + ab * bp) / max<f64>(variance, 1e-9))
  const trust = explained * explained
  store<f32>(into, <f32>(ar * trust))
  store<f32>(into + 4, <f32>(ag * trust))
  store<f32>(into + 8, <f32>(ab * trust))
  store<f32>(into + 12, <f32>((p - ar * r - ag * g - ab * b) * trust))
  store<f32>(into + 16, <f32>trust)
}

function averagesOf(g: Guided, y: i32): usize {
  return g.averages + (y & 1) * g.columns * 12
}

function softenedOf(g: Guided, y: i32): usize {
  return g.softened + (y % 3) * g.columns * 12
}

/** The moments of a row of the grid, from its colors softened three by three. */
function sumRow<T>(g: Guided, y: i32): void {
  g.summedRows = y + 1
  const columns = g.columns
  const summed = g.summed + y * columns
  while (g.averaged <= min(g.rows - 1, y + 1)) averageRow<T>(g, g.averaged)
  if (!isAny(summed, columns)) return
  const above = softenedOf(g, max(0, y - 1))
  const here = softenedOf(g, y)
  const below = softenedOf(g, min(g.rows - 1, y + 1))
  const into = g.sums + (y % diameter) * columns * moments * 8
  for (let x = 0; x < columns; x++) {
    if (load<u8>(summed + x) === 0) continue
    const red = mean(above + x * 12, here + x * 12, below + x * 12)
    const green = mean(above + x * 12 + 4, here + x * 12 + 4, below + x * 12 + 4)
    const blue = mean(above + x * 12 + 8, here + x * 12 + 8, below + x * 12 + 8)
    const p = <f64>load<f32>(g.matte + (y * columns + x) * 4)
    const to = into + x * moments * 8
    store<f64>(to, red)
    store<f64>(to + 8, green)
    store<f64>(to + 16, blue)
    store<f64>(to + 24, p)
    store<f64>(to + 32, red * p)
    store<f64>(to + 40, green * p)
    store<f64>(to + 48, blue * p)
    store<f64>(to + 56, red * red)
    store<f64>(to + 64, red * green)
    store<f64>(to + 72, red * blue)
    store<f64>(to + 80, green * green)
    store<f64>(to + 88, green * blue)
    store<f64>(to + 96, blue * blue)
    store<f64>(to + 104, p * p)
  }
}

function mean(before: usize, here: usize, after: usize): f64 {
  return <f64>(<f32>((<f64>load<f32>(before) + <f64>load<f32>(here) + <f64>load<f32>(after)) / 3))
}

/** The colors under a row of the grid, 0..1, each softened with its neighbors to the left and right. */
function averageRow<T>(g: Guided, y: i32): void {
  g.averaged = y + 1
  const columns = g.columns
  while (g.picturesRead < g.height && firstRow(g, g.picturesRead) <= y) averagePixels<T>(g, g.picturesRead++)
  const row = averagesOf(g, y)
  const into = softenedOf(g, y)
  const needed = g.needed + y * columns
  if (isAny(needed, columns)) {
    for (let x = 0; x < columns; x++) {
      if (load<u8>(needed + x) === 0) continue
      for (let i = x * 12; i < x * 12 + 12; i += 4) {
        store<f32>(row + i, <f32>(<f64>load<f32>(row + i) * (1.0 / 255.0)))
      }
    }
    for (let x = 0; x < columns; x++) {
      if (load<u8>(needed + x) === 0) continue
      const before = max(0, x - 1) * 12
      const after = min(columns - 1, x + 1) * 12
      for (let c = 0; c < 12; c += 4) {
        store<f32>(into + x * 12 + c, <f32>mean(row + before + c, row + x * 12 + c, row + after + c))
      }
    }
  }
  memory.fill(row, 0, columns * 12)
}

function firstRow(g: Guided, y: i32): i32 {
  return min(<i32>(<f64>y / g.down), g.rows - 1)
}

/** Adds a row of pixels to the one or two rows of the grid that it lies in. */
function averagePixels<T>(g: Guided, y: i32): void {
  const first = firstRow(g, y)
  const columns = g.columns
  const border = Math.min(<f64>(first + 1) * g.down, y + 1)
  const rest = (<f64>(y + 1) - border) / g.down
  const isShared = rest > 1e-9 && first + 1 < g.rows
  const above = g.needed + first * columns
  const below = isShared ? above + columns : above
  if (!isAny(above, columns) && !isAny(below, columns)) return
  const bytes = bytesOf<T>(g, y, 0)
  for (let cell = 0; cell < columns; cell++) {
    if ((load<u8>(above + cell) | load<u8>(below + cell)) === 0) continue
    if (g.channels === 3) averageRgb(g, cell, bytes)
    else averageRgba(g, cell, bytes)
    addCell(averagesOf(g, first) + cell * 12, g.row, (border - <f64>y) / g.down)
    if (isShared) addCell(averagesOf(g, first + 1) + cell * 12, g.row, rest)
  }
}

function addCell(into: usize, color: usize, share: f64): void {
  for (let c = 0; c < 12; c += 4) {
    store<f32>(into + c, <f32>(<f64>load<f32>(into + c) + <f64>load<f32>(color + c) * share))
  }
}

/** The mean color of the pixels of a row that lie in a cell; the first and the last may lie in it in part. */
function averageRgb(g: Guided, cell: i32, bytes: usize): void {
  const from = <f64>cell * g.across
  const to = min<f64>(from + g.across, g.width)
  const first = <i32>from
  const last = <i32>Math.ceil(to) - 1
  let red: u32 = 0
  let green: u32 = 0
  let blue: u32 = 0
  for (let at = bytes + (first + 1) * 3; at < bytes + last * 3; at += 3) {
    red += load<u8>(at)
    green += load<u8>(at, 1)
    blue += load<u8>(at, 2)
  }
  const firstAt = bytes + first * 3
  const lastAt = bytes + last * 3
  const firstShare = min<f64>(first + 1, to) - from
  const lastShare: f64 = first === last ? 0 : to - <f64>last
  store<f32>(g.row, averageOf(red, load<u8>(firstAt), firstShare, load<u8>(lastAt), lastShare, g.across))
  store<f32>(
    g.row + 4,
    averageOf(green, load<u8>(firstAt, 1), firstShare, load<u8>(lastAt, 1), lastShare, g.across),
  )
  store<f32>(
    g.row + 8,
    averageOf(blue, load<u8>(firstAt, 2), firstShare, load<u8>(lastAt, 2), lastShare, g.across),
  )
}

function averageOf(sum: u32, first: u8, firstShare: f64, last: u8, lastShare: f64, across: f64): f32 {
  return <f32>((<f64>sum + <f64>first * firstShare + <f64>last * lastShare) / across)
}

/** The same, transparency blended with white. */
function averageRgba(g: Guided, cell: i32, bytes: usize): void {
  const from = <f64>cell * g.across
  const to = from + g.across
  let red: f64 = 0
  let green: f64 = 0
  let blue: f64 = 0
  for (let x = <i32>from; <f64>x < to && x < g.width; x++) {
    const at = bytes + x * 4
    const share = shareOf(x, from, to)
    const alpha = load<u8>(at, 3)
    const own = <f64>alpha / 255
    const white: f64 = 255 - <f64>alpha
    red += (<f64>load<u8>(at) * own + white) * share
    green += (<f64>load<u8>(at, 1) * own + white) * share
    blue += (<f64>load<u8>(at, 2) * own + white) * share
  }
  store<f32>(g.row, <f32>(red / g.across))
  store<f32>(g.row + 4, <f32>(green / g.across))
  store<f32>(g.row + 8, <f32>(blue / g.across))
}
