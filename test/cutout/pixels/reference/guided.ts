/** Brings a small matte to a picture's full size along the picture's own edges. */

export interface GuidedTask {
  /** Interleaved 8-bit grey, RGB or RGBA. Transparency counts as white, as in a model's input. */
  pixels: Uint8Array
  channels: 1 | 3 | 4
  width: number
  height: number
  /** 0..255, or 0..1 when it is a Float32Array; stretched over the whole picture. */
  matte: Uint8Array | Float32Array
  matteWidth: number
  matteHeight: number
}

/** Windows reach this many pixels of the matte to each side. */
const radius = 2
/** A window with less variance of colors (0..1) than this counts as even. */
const epsilon = 1e-4

/** Sums over a window: I (3), p, Ip (3), II (6), pp. */
const moments = 14
/** Results of a window: a (3) and b of `alpha = a * color + b`, the trust in them, whether it is empty, whether full. */
const coefficients = 7

/**
 * Fast guided filter with a color guide. Within small windows the matte is taken as a linear function of the color. The
 * function is found at the matte's size and applied to the pixels at full size, row by row. Two things differ from the
 * paper. The guide is softened (three by three) as much as models soften their mattes, so that a function fitted to the
 * soft pair gives sharp edges on the sharp picture. And a window counts by the square of the share of the matte's variance
 * that it explains; the rest is the matte itself, interpolated bilinearly, which keeps out texture that has nothing
 * to do with the edge. Where the matte is 0 or 1 all around (to half a level of 255), the result is exactly 0 or 255.
 *
 * Takes 56 bytes per pixel of the matte beside the result; nothing else grows with the picture.
 *
 * Source: He and Sun, "Fast Guided Filter", arXiv 1505.00996; He, Sun and Tang, "Guided Image Filtering", PAMI 2013.
 *
 * @returns alpha 0..255, width * height bytes
 */
export function guidedUpsample(task: GuidedTask): Uint8Array<ArrayBuffer> {
  const { pixels, channels, width, height } = task
  // In a picture smaller than the matte there is no detail between the matte's values.
  const grid = { width: Math.min(width, task.matteWidth), height: Math.min(height, task.matteHeight) }
  const guide = areaAverages(pixels, channels, width, height, grid)
  scale(guide, 1 / 255)
  const matte = smallMatte(task, grid)
  blur(guide, grid)
  const fitted = fit(guide, matte, grid)

  const result = new Uint8Array(width * height)
  const means = new RowsOfMeans(fitted, matte, grid)
  const columns = positions(width, grid.width)
  const rows = positions(height, grid.height)
  const line = new Float32Array(grid.width * 4)
  for (let y = 0; y < height; y++) {
    const above = means.row(rows.first[y]!)
    const below = means.row(Math.min(rows.first[y]! + 1, grid.height - 1))
    interpolateLine(above, below, rows.weight[y]!, line)
    for (let from = 0; from < width; ) {
      const left = columns.first[from]!
      const right = Math.min(left + 1, grid.width - 1)
      const to = columns.end[left]!
      const even = evenAlpha(above, below, left, right)
      if (even === undefined) applyLine(task, line, left, right, columns.weight, y, from, to, result)
      else if (even > 0) result.fill(even, y * width + from, y * width + to)
      from = to
    }
  }
  return result
}

interface Grid {
  width: number
  height: number
}

function scale(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor
}

/** The matte at the grid's size, 0..1; exactly 0 or 1 where 8 bits would round it to that. */
function smallMatte({ matte, matteWidth, matteHeight }: GuidedTask, grid: Grid): Float32Array {
  const unit = matte instanceof Uint8Array ? 1 / 255 : 1
  const averages = areaAverages(matte, 1, matteWidth, matteHeight, grid)
  const result = new Float32Array(grid.width * grid.height)
  const half = 0.5 / 255
  for (let i = 0; i < result.length; i++) {
    const value = averages[i * 3]! * unit
    // Sums of multiples of 2^-16 have no rounding error, so windows that are all 0 or all 1 can be recognized.
    result[i] = value < half ? 0 : value > 1 - half ? 1 : Math.round(value * 65536) / 65536
  }
  return result
}

/**
 * Averages the pixels under each cell of the grid; pixels on a border count by their share. Three values per cell, for
 * grey three times the same. Transparency is blended with white.
 */
function areaAverages(
  samples: Uint8Array | Float32Array,
  channels: 1 | 3 | 4,
  width: number,
  height: number,
  grid: Grid,
): Float32Array {
  const result = new Float32Array(grid.width * grid.height * 3)
  const row = new Float32Array(grid.width * 3)
  const down = height / grid.height
  for (let y = 0; y < height; y++) {
    if (channels === 3) averageRgb(samples, y * width * 3, width, row)
    else averageRow(samples, channels, y * width * channels, width, row)
    // The one or two rows of the grid that this row of pixels lies in.
    const first = Math.min(Math.floor(y / down), grid.height - 1)
    const border = Math.min((first + 1) * down, y + 1)
    const share = (border - y) / down
    const at = first * row.length
    for (let i = 0; i < row.length; i++) result[at + i]! += row[i]! * share
    const rest = (y + 1 - border) / down
    if (rest > 1e-9 && first + 1 < grid.height) {
      for (let i = 0; i < row.length; i++) result[at + row.length + i]! += row[i]! * rest
    }
  }
  return result
}

/** The same along one row of grey or RGBA pixels that starts at `start`. */
function averageRow(
  samples: Uint8Array | Float32Array,
  channels: 1 | 4,
  start: number,
  width: number,
  row: Float32Array,
): void {
  const cells = row.length / 3
  const across = width / cells
  const second = channels === 1 ? 0 : 1
  for (let cell = 0; cell < cells; cell++) {
    const from = cell * across
    const to = from + across
    let red = 0
    let green = 0
    let blue = 0
    for (let x = Math.floor(from); x < to && x < width; x++) {
      const at = start + x * channels
      let share = 1
      if (x < from) share -= from - x
      if (x + 1 > to) share -= x + 1 - to
      if (channels === 4 && samples[at + 3]! < 255) {
        const white = 255 - samples[at + 3]!
        const own = samples[at + 3]! / 255
        red += (samples[at]! * own + white) * share
        green += (samples[at + 1]! * own + white) * share
        blue += (samples[at + 2]! * own + white) * share
      } else {
        red += samples[at]! * share
        green += samples[at + second]! * share
        blue += samples[at + 2 * second]! * share
      }
    }
    row[cell * 3] = red / across
    row[cell * 3 + 1] = green / across
    row[cell * 3 + 2] = blue / across
  }
}

/** The same for opaque RGB, the usual case: the loop over pixels that lie wholly in a cell has no branches. */
function averageRgb(
  samples: Uint8Array | Float32Array,
  start: number,
  width: number,
  row: Float32Array,
): void {
  const cells = row.length / 3
  const across = width / cells
  for (let cell = 0; cell < cells; cell++) {
    const from = cell * across
    const to = Math.min(from + across, width)
    const [first, last] = [Math.floor(from), Math.ceil(to) - 1]
    let [red, green, blue] = [0, 0, 0]
    for (let at = start + (first + 1) * 3, end = start + last * 3; at < end; at += 3) {
      red += samples[at]!
      green += samples[at + 1]!
      blue += samples[at + 2]!
    }
    const [firstAt, lastAt] = [start + first * 3, start + last * 3]
    const firstShare = Math.min(first + 1, to) - from
    const lastShare = first === last ? 0 : to - last
    row[cell * 3] = (red + samples[firstAt]! * firstShare + samples[lastAt]! * lastShare) / across
    row[cell * 3 + 1] =
      (green + samples[firstAt + 1]! * firstShare + samples[lastAt + 1]! * lastShare) / across
    row[cell * 3 + 2] =
      (blue + samples[firstAt + 2]! * firstShare + samples[lastAt + 2]! * lastShare) / across
  }
}

/** Averages each cell with its neighbors, three by three; fewer at the border. */
function blur(values: Float32Array, grid: Grid): void {
  average(values, grid.width, 3, grid.height, grid.width * 3)
  average(values, grid.height, grid.width * 3, grid.width, 3)
}

/** The same in one direction: `count` cells `stride` apart, in `lines` lines `lineStride` apart. */
function average(
  values: Float32Array,
  count: number,
  stride: number,
  lines: number,
  lineStride: number,
): void {
  for (let line = 0; line < lines; line++) {
    for (let channel = 0; channel < 3; channel++) {
      let at = line * lineStride + channel
      let before = values[at]!
      for (let i = 0; i < count; i++, at += stride) {
        const here = values[at]!
        values[at] = (before + here + (i + 1 < count ? values[at + stride]! : here)) / 3
        before = here
      }
    }
  }
}

/** The linear function of each window: `coefficients` values per cell of the grid. */
function fit(guide: Float32Array, matte: Float32Array, grid: Grid): Float32Array {
  const result = new Float32Array(matte.length * coefficients)
  const columns = new Float64Array(grid.width * moments)
  const window = new Float64Array(moments)
  for (let y = -radius; y < grid.height; y++) {
    if (y + radius < grid.height) addMoments(guide, matte, grid, y + radius, 1, columns)
    if (y - radius - 1 >= 0) addMoments(guide, matte, grid, y - radius - 1, -1, columns)
    if (y < 0) continue
    const tall = Math.min(grid.height - 1, y + radius) - Math.max(0, y - radius) + 1
    window.fill(0)
    for (let x = -radius; x < grid.width; x++) {
      const entering = (x + radius) * moments
      if (entering < columns.length) for (let i = 0; i < moments; i++) window[i]! += columns[entering + i]!
      const leaving = (x - radius - 1) * moments
      if (leaving >= 0) for (let i = 0; i < moments; i++) window[i]! -= columns[leaving + i]!
      if (x < 0) continue
      const wide = Math.min(grid.width - 1, x + radius) - Math.max(0, x - radius) + 1
      regress(window, tall * wide, result, (y * grid.width + x) * coefficients)
    }
  }
  return result
}

/** Adds (sign 1) or takes away (-1) the moments of a row of the grid, per column. */
function addMoments(
  guide: Float32Array,
  matte: Float32Array,
  grid: Grid,
  y: number,
  sign: 1 | -1,
  columns: Float64Array,
): void {
  for (let x = 0, at = y * grid.width, to = 0; x < grid.width; x++, at++, to += moments) {
    const r = guide[at * 3]!
    const g = guide[at * 3 + 1]!
    const b = guide[at * 3 + 2]!
    const p = matte[at]!
    columns[to]! += sign * r
    columns[to + 1]! += sign * g
    columns[to + 2]! += sign * b
    columns[to + 3]! += sign * p
    columns[to + 4]! += sign * r * p
    columns[to + 5]! += sign * g * p
    columns[to + 6]! += sign * b * p
    columns[to + 7]! += sign * r * r
    columns[to + 8]! += sign * r * g
    columns[to + 9]! += sign * r * b
    columns[to + 10]! += sign * g * g
    columns[to + 11]! += sign * g * b
    columns[to + 12]! += sign * b * b
    columns[to + 13]! += sign * p * p
  }
}

/**
 * Least squares with a ridge of `epsilon`: a = (cov(I, I) + epsilon)^-1 cov(I, p), b = mean(p) - a mean(I), both
 * times the trust in them. An even matte needs no color: a = 0, b = p.
 */
function regress(sums: Float64Array, count: number, into: Float32Array, to: number): void {
  const p = sums[3]! / count
  if (p === 0 || p === 1) {
    into[to + 3] = p
    into[to + 4] = 1
    into[to + 5 + p] = 1
    return
  }
  const r = sums[0]! / count
  const g = sums[1]! / count
  const b = sums[2]! / count
  const rp = sums[4]! / count - r * p
  const gp = sums[5]! / count - g * p
  const bp = sums[6]! / count - b * p
  const rr = sums[7]! / count - r * r + epsilon
  const rg = sums[8]! / count - r * g
  const rb = sums[9]! / count - r * b
  const gg = sums[10]! / count - g * g + epsilon
  const gb = sums[11]! / count - g * b
  const bb = sums[12]! / count - b * b + epsilon
  // The inverse of a symmetric matrix by its cofactors.
  const c0 = gg * bb - gb * gb
  const c1 = gb * rb - rg * bb
  const c2 = rg * gb - gg * rb
  const scale = 1 / (rr * c0 + rg * c1 + rb * c2)
  const c4 = rr * bb - rb * rb
  const c5 = rg * rb - rr * gb
  const c8 = rr * gg - rg * rg
  const ar = (c0 * rp + c1 * gp + c2 * bp) * scale
  const ag = (c1 * rp + c4 * gp + c5 * bp) * scale
  const ab = (c2 * rp + c5 * gp + c8 * bp) * scale
  const variance = sums[13]! / count - p * p
  const explained = Math.min(1, Math.max(0, ar * rp + ag * gp + ab * bp) / Math.max(variance, 1e-9))
  const trust = explained * explained
  into[to] = ar * trust
  into[to + 1] = ag * trust
  into[to + 2] = ab * trust
  into[to + 3] = (p - ar * r - ag * g - ab * b) * trust
  into[to + 4] = trust
}

interface MeanRow {
  /** a (3) and b per column. */
  values: Float32Array
  /** Per column: 0 or 255 where all cells nearby are that, otherwise 1. */
  even: Uint8Array
}

/** Means of the coefficients over the windows that cover a cell. Rows are asked for in order; the last two are kept. */
class RowsOfMeans {
  readonly #fitted: Float32Array
  readonly #matte: Float32Array
  readonly #grid: Grid
  readonly #columns: Float64Array
  readonly #rows: [MeanRow, MeanRow]
  #next = -radius

  constructor(fitted: Float32Array, matte: Float32Array, grid: Grid) {
    this.#fitted = fitted
    this.#matte = matte
    this.#grid = grid
    this.#columns = new Float64Array(grid.width * coefficients)
    const row = () => ({ values: new Float32Array(grid.width * 4), even: new Uint8Array(grid.width) })
    this.#rows = [row(), row()]
  }

  row(y: number): MeanRow {
    while (this.#next <= y) this.#advance()
    return this.#rows[y & 1]!
  }

  #advance(): void {
    const y = this.#next++
    const columns = this.#columns
    const entering = (y + radius) * columns.length
    if (y + radius < this.#grid.height) {
      for (let i = 0; i < columns.length; i++) columns[i]! += this.#fitted[entering + i]!
    }
    const leaving = (y - radius - 1) * columns.length
    if (leaving >= 0) for (let i = 0; i < columns.length; i++) columns[i]! -= this.#fitted[leaving + i]!
    if (y < 0) return
    const { values, even } = this.#rows[y & 1]!
    const tall = Math.min(this.#grid.height - 1, y + radius) - Math.max(0, y - radius) + 1
    const window = new Float64Array(coefficients)
    for (let x = 0; x < this.#grid.width; x++) {
      const first = Math.max(0, x - radius)
      const last = Math.min(this.#grid.width - 1, x + radius)
      window.fill(0)
      for (let column = first * coefficients; column <= last * coefficients; column += coefficients) {
        for (let i = 0; i < coefficients; i++) window[i]! += columns[column + i]!
      }
      const count = tall * (last - first + 1)
      for (let i = 0; i < 4; i++) values[x * 4 + i] = window[i]! / count
      values[x * 4 + 3]! += (1 - window[4]! / count) * this.#matte[y * this.#grid.width + x]!
      even[x] = window[5] === count ? 0 : window[6] === count ? 255 : 1
    }
  }
}

/** For each of `count` pixels: the cell before it and how far it is towards the next. Per cell: where its pixels end. */
function positions(count: number, cells: number) {
  const first = new Uint32Array(count)
  const weight = new Float32Array(count)
  const end = new Uint32Array(cells)
  for (let i = 0; i < count; i++) {
    const position = Math.min(Math.max(((i + 0.5) * cells) / count - 0.5, 0), cells - 1)
    first[i] = Math.floor(position)
    weight[i] = position - first[i]!
    end[first[i]!] = i + 1
  }
  return { first, weight, end }
}

/** 0 or 255 where all four corners around are exactly that, otherwise undefined. */
function evenAlpha(above: MeanRow, below: MeanRow, left: number, right: number): 0 | 255 | undefined {
  const value = above.even[left]!
  if (value !== 0 && value !== 255) return undefined
  if (above.even[right] !== value || below.even[left] !== value || below.even[right] !== value)
    return undefined
  return value
}

function interpolateLine(above: MeanRow, below: MeanRow, weight: number, line: Float32Array): void {
  for (let i = 0; i < line.length; i++) {
    const value = above.values[i]!
    line[i] = value + (below.values[i]! - value) * weight
  }
}

/** Alpha of the pixels `from` to `to` of row `y`, which lie between the columns `left` and `right` of the grid. */
function applyLine(
  { pixels, channels, width }: GuidedTask,
  line: Float32Array,
  left: number,
  right: number,
  weights: Float32Array,
  y: number,
  from: number,
  to: number,
  result: Uint8Array,
): void {
  const r = line[left * 4]!
  const g = line[left * 4 + 1]!
  const b = line[left * 4 + 2]!
  const base = line[left * 4 + 3]! * 255
  const toR = line[right * 4]! - r
  const toG = line[right * 4 + 1]! - g
  const toB = line[right * 4 + 2]! - b
  const toBase = line[right * 4 + 3]! * 255 - base
  const second = channels === 1 ? 0 : 1
  for (let x = from, at = (y * width + from) * channels; x < to; x++, at += channels) {
    const weight = weights[x]!
    let red = pixels[at]!
    let green = pixels[at + second]!
    let blue = pixels[at + 2 * second]!
    if (channels === 4 && pixels[at + 3]! < 255) {
      const white = 255 - pixels[at + 3]!
      const own = pixels[at + 3]! / 255
      red = red * own + white
      green = green * own + white
      blue = blue * own + white
    }
    const alpha =
      (r + toR * weight) * red +
      (g + toG * weight) * green +
      (b + toB * weight) * blue +
      base +
      toBase * weight
    result[y * width + x] = alpha <= 0 ? 0 : alpha >= 255 ? 255 : (alpha + 0.5) | 0
  }
}
