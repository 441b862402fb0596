/** Finds the subject's own colors where it is partly transparent and the backdrop shines through. */

import { wordsOf } from './words.ts'

type Samples = Uint8Array | Uint16Array

export interface ForegroundTask {
  /** The picture as it was taken, background included: interleaved RGB or RGBA, 8 or 16 bits. */
  pixels: Samples
  channels: 3 | 4
  width: number
  height: number
  /** One value per pixel, 8 or 16 bits: the matte, multiplied by the picture's own transparency if it has one. */
  alpha: Samples
}

// Windows are squares with these sides in a picture whose longer side is `referenceSide`, and grow with it.
const referenceSide = 1024
const wideWindow = 97
const narrowWindow = 7
/** Cells of the fine grid along the longer side; four by four of them make a cell of the coarse grid. */
const fineCells = 384
const cellsInCell = 4

/** How strongly a wide window is held to its weighted means: at least this much, more where the fit is bad. */
const wideRidge = 1e-3
const wideRidgePerVariance = 3
/** How strongly a narrow window is held to the solution of the wide ones around it. */
const narrowRidge = 0.02
/** How much of the difference that remains at a pixel is given to it: 0 the least, 2 all. See `gain`. */
const detail = 1.6

/** Weight of colors under full transparency: enough to count only where there are no others. */
const hiddenWeight = 1e-4

/** What is summed over a cell: count, α, α², αI (3), (1 - α)I (3), I². */
const sums = 10
/** What is solved for: foreground (3), background (3). */
const colors = 6

/**
 * Writes the subject's own colors into `target` wherever the subject covers a pixel partly. A pixel's color is
 * I = αF + (1 - α)B, and this estimates F. Pixels whose alpha is 0 or the maximum are not written, nor are those that
 * are soft only because the picture itself was transparent there: no backdrop is mixed into them.
 *
 * Within a window F and B are taken as constant, which makes them the solution of a linear regression of I on α,
 * held (ridge) to a prior: in wide windows on a coarse grid the α-weighted means, as in blur-fusion, the more
 * strongly the worse the model fits; in narrow windows on a fine grid the wide ones' solution. Last, each pixel gets
 * its share of what the narrow window leaves unexplained, as in blur-fusion. Measured against blur-fusion and
 * multi-level estimation in test/bench/edges.ts.
 *
 * Sources: Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021; Germer et al., "Fast Multi-Level
 * Foreground Estimation", ICPR 2020 (arXiv 2006.14970).
 *
 * Takes two reads of the picture around soft pixels and less than 2 MB, whatever the picture's size.
 *
 * @param target interleaved RGB or RGBA of the same size and depth; may be `task.pixels` itself
 */
export function estimateForeground(
  task: ForegroundTask,
  target: { pixels: Samples; channels: 3 | 4 } = task,
): void {
  const fine = gridOf(task, Math.max(1, Math.ceil(Math.max(task.width, task.height) / fineCells)))
  const soft = findSoftCells(task, fine)
  if (!soft) return
  const wide = solveWide(task, fine, soft)
  solveNarrow(task, target, fine, soft, wide)
}

interface Grid {
  /** Side of a cell in pixels; cells at the right and at the bottom may be smaller. */
  cell: number
  width: number
  height: number
}

function gridOf({ width, height }: ForegroundTask, cell: number): Grid {
  return { cell, width: Math.ceil(width / cell), height: Math.ceil(height / cell) }
}

const maximumOf = (samples: Samples) => (samples.BYTES_PER_ELEMENT === 1 ? 255 : 65535)

/** Flags the cells with a pixel that is neither clear nor opaque; undefined when there are none. */
function findSoftCells({ alpha, width, height }: ForegroundTask, grid: Grid): Uint8Array | undefined {
  const flags = new Uint8Array(grid.width * grid.height)
  const maximum = maximumOf(alpha)
  // Most of a matte is clear or opaque: skip four pixels (two of 16 bits) at once.
  const together = 4 / alpha.BYTES_PER_ELEMENT
  const words = wordsOf(alpha)
  let any = false
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / grid.cell) * grid.width
    const start = y * width
    const end = start + width
    for (let at = start; at < end; ) {
      const word = at % together === 0 ? words[at / together] : undefined
      if (word === 0 || word === 0xffffffff) {
        at += together
        continue
      }
      const value = alpha[at]!
      if (value !== 0 && value !== maximum) {
        flags[row + Math.floor((at - start) / grid.cell)] = 1
        any = true
      }
      at++
    }
  }
  return any ? flags : undefined
}

/** Flags within `radius` cells of a flag, diagonals included. */
function dilate(flags: Uint8Array, { width, height }: Grid, radius: number): Uint8Array {
  const result = new Uint8Array(flags.length)
  for (let y = 0; y < height; y++) {
    const row = y * width
    const last = Math.min(height - 1, y + radius)
    for (let x = 0; x < width; x++) {
      if (flags[row + x] === 0) continue
      const from = Math.max(0, x - radius)
      while (x < width && flags[row + x] !== 0) x++
      const to = Math.min(width, x + radius)
      for (let at = Math.max(0, y - radius); at <= last; at++)
        result.fill(1, at * width + from, at * width + to)
    }
  }
  return result
}

/**
 * Adds the sums over a rectangle of pixels to `into` at `at`, colors scaled to 0..1. Of large cells every `step`th
 * pixel in both directions stands for its neighbors. A pixel is weighted by its own opacity in the picture.
 */
function addCell(
  { pixels, channels, alpha, width, height }: ForegroundTask,
  left: number,
  top: number,
  cell: number,
  step: number,
  into: Float32Array | Float64Array,
  at: number,
): void {
  const right = Math.min(left + cell, width)
  const bottom = Math.min(top + cell, height)
  const scale = 1 / maximumOf(pixels)
  const alphaScale = 1 / maximumOf(alpha)
  let count = 0
  let a = 0
  let aa = 0
  let ar = 0
  let ag = 0
  let ab = 0
  let r = 0
  let g = 0
  let b = 0
  let square = 0
  let seen = 0
  for (let y = top + (Math.min(step, bottom - top) >> 1); y < bottom; y += step) {
    for (let x = left + (Math.min(step, right - left) >> 1); x < right; x += step) {
      const index = y * width + x
      const from = index * channels
      let matte = alpha[index]! * alphaScale
      let weight = 1
      if (channels === 4) {
        weight = Math.max(pixels[from + 3]! * scale, hiddenWeight)
        matte = matte < weight ? matte / weight : 1
      }
      const red = pixels[from]!
      const green = pixels[from + 1]!
      const blue = pixels[from + 2]!
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
  const share = ((right - left) * (bottom - top)) / seen
  const color = share * scale
  into[at]! += count * share
  into[at + 1]! += a * share
  into[at + 2]! += aa * share
  into[at + 3]! += ar * color
  into[at + 4]! += ag * color
  into[at + 5]! += ab * color
  into[at + 6]! += (r - ar) * color
  into[at + 7]! += (g - ag) * color
  into[at + 8]! += (b - ab) * color
  into[at + 9]! += square * color * scale
}

/** How many cells a window reaches to each side of its own. */
function reach({ width, height }: ForegroundTask, window: number, cell: number): number {
  const cells = (window * Math.max(width, height)) / referenceSide / cell
  return Math.max(1, Math.round((cells - 1) / 2))
}

/**
 * Solves `(Σα² + r) F + Σα(1 - α) B = ΣαI + r F'` and `Σα(1 - α) F + (Σ(1 - α)² + r) B = Σ(1 - α)I + r B'`, where F'
 * and B' are the prior and r is the ridge times the count.
 */
function solve(s: Float64Array, ridge: number, prior: Float64Array, into: Float32Array, to: number): void {
  const held = ridge * s[0]!
  const cross = s[1]! - s[2]!
  const inside = s[2]! + held
  const outside = s[0]! - s[1]! - cross + held
  const scale = 1 / (inside * outside - cross * cross)
  for (let channel = 0; channel < 3; channel++) {
    const f = s[3 + channel]! + held * prior[channel]!
    const b = s[6 + channel]! + held * prior[3 + channel]!
    into[to + channel] = Math.min(1, Math.max(0, (outside * f - cross * b) * scale))
    into[to + 3 + channel] = Math.min(1, Math.max(0, (inside * b - cross * f) * scale))
  }
}

/** Means of the colors, weighted by α and by 1 - α; the mean of all where the weights are 0. */
function weightedMeans(s: Float64Array, into: Float64Array): void {
  const little = 1e-5
  for (let channel = 0; channel < 3; channel++) {
    const f = s[3 + channel]!
    const b = s[6 + channel]!
    into[channel] = (f + little * (f + b)) / (s[1]! + little * s[0]!)
    into[3 + channel] = (b + little * (f + b)) / (s[0]! - s[1]! + little * s[0]!)
  }
}

/** Mean square per channel of what the colors in `from` at `at` leave unexplained. */
function unexplained(s: Float64Array, from: Float32Array, at: number): number {
  const a = s[1]!
  const aa = s[2]!
  let sum = s[9]!
  for (let channel = 0; channel < 3; channel++) {
    const f = from[at + channel]!
    const b = from[at + 3 + channel]!
    sum -= 2 * (f * s[3 + channel]! + b * s[6 + channel]!)
    sum += f * f * aa + 2 * f * b * (a - aa) + b * b * (s[0]! - 2 * a + aa)
  }
  return Math.max(0, sum / s[0]! / 3)
}

interface Solution {
  grid: Grid
  /** Per cell, foreground and background, 0..1; zeros far from soft pixels. */
  values: Float32Array
}

/** Colors in wide windows around soft cells, on a grid coarse enough to make that cheap. */
function solveWide(task: ForegroundTask, fine: Grid, soft: Uint8Array): Solution {
  const grid = gridOf(task, fine.cell * cellsInCell)
  const radius = reach(task, wideWindow, grid.cell)
  const near = new Uint8Array(grid.width * grid.height)
  for (let y = 0; y < fine.height; y++) {
    const row = Math.floor(y / cellsInCell) * grid.width
    for (let x = 0; x < fine.width; x++) near[row + Math.floor(x / cellsInCell)]! |= soft[y * fine.width + x]!
  }
  // Interpolation reaches two cells beyond the soft ones.
  const needed = dilate(near, grid, radius + 2)

  const cells = new Float32Array(grid.width * grid.height * sums)
  const softStep = Math.ceil(fine.cell / 6)
  const plainStep = Math.ceil(fine.cell / 2)
  for (let y = 0; y < fine.height; y++) {
    const row = Math.floor(y / cellsInCell) * grid.width
    for (let x = 0; x < fine.width; x++) {
      const cell = row + Math.floor(x / cellsInCell)
      if (needed[cell] === 0) continue
      const step = soft[y * fine.width + x] === 1 ? softStep : plainStep
      addCell(task, x * fine.cell, y * fine.cell, fine.cell, step, cells, cell * sums)
    }
  }
  sumRows(cells, grid, radius)

  const values = new Float32Array(grid.width * grid.height * colors)
  const columns = new Float64Array(grid.width * sums)
  const window = new Float64Array(sums)
  const prior = new Float64Array(colors)
  const stride = columns.length
  for (let y = -radius; y < grid.height; y++) {
    const entering = y + radius
    if (entering < grid.height) for (let i = 0; i < stride; i++) columns[i]! += cells[entering * stride + i]!
    const leaving = y - radius - 1
    if (leaving >= 0) for (let i = 0; i < stride; i++) columns[i]! -= cells[leaving * stride + i]!
    if (y < 0) continue
    for (let x = 0; x < grid.width; x++) {
      const cell = y * grid.width + x
      if (needed[cell] === 0) continue
      for (let i = 0; i < sums; i++) window[i] = columns[x * sums + i]!
      const to = cell * colors
      weightedMeans(window, prior)
      solve(window, wideRidge, prior, values, to)
      const ridge = wideRidge + wideRidgePerVariance * unexplained(window, values, to)
      solve(window, ridge, prior, values, to)
    }
  }
  return { grid, values }
}

/** Replaces each cell's sums by those of the cells up to `radius` to its left and right. */
function sumRows(cells: Float32Array, grid: Grid, radius: number): void {
  const row = new Float32Array(grid.width * sums)
  const window = new Float64Array(sums)
  for (let y = 0; y < grid.height; y++) {
    const from = y * row.length
    row.set(cells.subarray(from, from + row.length))
    window.fill(0)
    for (let x = -radius; x < grid.width; x++) {
      for (let i = 0; i < sums; i++) {
        if (x + radius < grid.width) window[i]! += row[(x + radius) * sums + i]!
        if (x - radius - 1 >= 0) window[i]! -= row[(x - radius - 1) * sums + i]!
        if (x >= 0) cells[from + x * sums + i] = window[i]!
      }
    }
  }
}

/**
 * Solves the narrow windows, and from them the soft pixels. It goes down row by row of cells and keeps only the rows in
 * use. Summing is always ahead of writing, so target and picture may be the same.
 */
function solveNarrow(
  task: ForegroundTask,
  target: { pixels: Samples; channels: 3 | 4 },
  grid: Grid,
  soft: Uint8Array,
  wide: Solution,
): void {
  const windows = new NarrowWindows(task, grid, soft, wide)
  const line = new Float32Array(grid.width * colors)
  for (let y = 0; y < grid.height; y++) {
    windows.solveTo(Math.min(y + 1, grid.height - 1))
    const above = windows.row(Math.max(0, y - 1))
    const here = windows.row(y)
    const below = windows.row(Math.min(grid.height - 1, y + 1))
    const top = y * grid.cell
    const flags = y * grid.width
    if (!soft.subarray(flags, flags + grid.width).includes(1)) continue
    for (let inCell = 0; inCell < grid.cell && top + inCell < task.height; inCell++) {
      const offset = (inCell + 0.5) / grid.cell - 0.5
      const other = offset < 0 ? above : below
      for (let x = 0; x < grid.width; x++) {
        if (windows.solved[flags + x] === 0) continue
        for (let i = x * colors; i < (x + 1) * colors; i++) {
          line[i] = here[i]! + (other[i]! - here[i]!) * Math.abs(offset)
        }
      }
      for (let x = 0; x < grid.width; x++) {
        if (soft[flags + x] === 1) writePixels(task, target, grid, line, x, top + inCell)
      }
    }
  }
}

/** Colors per cell, solved row by row; keeps the last three. A class, because closures are compiled anew for each picture. */
class NarrowWindows {
  /** 1 for each cell that has colors. */
  readonly solved: Uint8Array
  readonly #task: ForegroundTask
  readonly #grid: Grid
  readonly #wide: Solution
  readonly #radius: number
  readonly #needed: Uint8Array
  readonly #sums: Float32Array[]
  readonly #colors: Float32Array[]
  readonly #columns: Float64Array
  readonly #window = new Float64Array(sums)
  readonly #prior = new Float64Array(colors)
  #nextSum = 0
  #nextRow = 0

  constructor(task: ForegroundTask, grid: Grid, soft: Uint8Array, wide: Solution) {
    this.#task = task
    this.#grid = grid
    this.#wide = wide
    this.#radius = reach(task, narrowWindow, grid.cell)
    this.solved = dilate(soft, grid, 1)
    this.#needed = dilate(soft, grid, 1 + this.#radius)
    this.#sums = Array.from({ length: 2 * this.#radius + 1 }, () => new Float32Array(grid.width * sums))
    this.#colors = Array.from({ length: 3 }, () => new Float32Array(grid.width * colors))
    this.#columns = new Float64Array(grid.width * sums)
  }

  solveTo(y: number): void {
    while (this.#nextRow <= y) {
      const last = Math.min(this.#nextRow + this.#radius, this.#grid.height - 1)
      while (this.#nextSum <= last) this.#sumRow(this.#nextSum++)
      this.#solveRow(this.#nextRow++)
    }
  }

  row(y: number): Float32Array {
    return this.#colors[y % 3]!
  }

  #sumRow(y: number): void {
    const { width, cell } = this.#grid
    const row = this.#sums[y % this.#sums.length]!
    const step = Math.ceil(cell / 6)
    row.fill(0)
    for (let x = 0; x < width; x++) {
      if (this.#needed[y * width + x] === 1)
        addCell(this.#task, x * cell, y * cell, cell, step, row, x * sums)
    }
  }

  #solveRow(y: number): void {
    const { width, height } = this.#grid
    const flags = this.solved.subarray(y * width, (y + 1) * width)
    if (!flags.includes(1)) return
    const [radius, columns, window, prior] = [this.#radius, this.#columns, this.#window, this.#prior]
    const into = this.row(y)
    const first = Math.max(0, y - radius)
    const last = Math.min(height - 1, y + radius)
    // Columns of the window before this one are summed already.
    let ready = 0
    for (let x = 0; x < width; x++) {
      if (flags[x] === 0) continue
      const from = Math.max(0, x - radius) * sums
      const to = Math.min(width, x + radius + 1) * sums
      ready = Math.max(ready, from)
      columns.fill(0, ready, to)
      for (let row = first; row <= last; row++) {
        const values = this.#sums[row % this.#sums.length]!
        for (let i = ready; i < to; i++) columns[i]! += values[i]!
      }
      ready = to
      window.fill(0)
      for (let column = from; column < to; column += sums) {
        for (let i = 0; i < sums; i++) window[i]! += columns[column + i]!
      }
      interpolate(this.#wide, x, y, prior)
      solve(window, narrowRidge, prior, into, x * colors)
    }
  }
}

/** Writes the soft pixels of one cell in one row of pixels. `line` holds the colors at the cells' centres. */
function writePixels(
  { pixels, channels, alpha, width }: ForegroundTask,
  target: { pixels: Samples; channels: 3 | 4 },
  grid: Grid,
  line: Float32Array,
  x: number,
  y: number,
): void {
  const maximum = maximumOf(pixels)
  const alphaMaximum = maximumOf(alpha)
  const here = x * colors
  const left = x * grid.cell
  const right = Math.min(left + grid.cell, width)
  for (let at = y * width + left, inCell = 0.5; at < y * width + right; at++, inCell++) {
    const value = alpha[at]!
    if (value === 0 || value === alphaMaximum) continue
    const from = at * channels
    let a = value / alphaMaximum
    if (channels === 4) {
      a = (a * maximum) / pixels[from + 3]!
      if (!(a < 1)) continue
    }
    const offset = inCell / grid.cell - 0.5
    const other = (offset < 0 ? Math.max(0, x - 1) : Math.min(grid.width - 1, x + 1)) * colors
    const away = Math.abs(offset)
    const share = gain(a)
    const to = at * target.channels
    for (let channel = 0; channel < 3; channel++) {
      let f = line[here + channel]!
      f += (line[other + channel]! - f) * away
      let b = line[here + channel + 3]!
      b += (line[other + channel + 3]! - b) * away
      const color = (f - share * (a * f + (1 - a) * b)) * maximum + share * pixels[from + channel]!
      target.pixels[to + channel] = color <= 0 ? 0 : color >= maximum ? maximum : (color + 0.5) | 0
    }
  }
}

/** Colors of the coarse grid at the centre of the fine cell (x, y), bilinearly. */
function interpolate({ grid, values }: Solution, x: number, y: number, into: Float64Array): void {
  const u = Math.min(Math.max((x + 0.5) / cellsInCell - 0.5, 0), grid.width - 1)
  const v = Math.min(Math.max((y + 0.5) / cellsInCell - 0.5, 0), grid.height - 1)
  const left = Math.floor(u)
  const top = Math.floor(v) * grid.width
  const right = Math.min(left + 1, grid.width - 1)
  const bottom = Math.min(Math.floor(v) + 1, grid.height - 1) * grid.width
  const across = u - left
  const down = v - Math.floor(v)
  for (let i = 0; i < colors; i++) {
    const above =
      values[(top + left) * colors + i]! * (1 - across) + values[(top + right) * colors + i]! * across
    const below =
      values[(bottom + left) * colors + i]! * (1 - across) + values[(bottom + right) * colors + i]! * across
    into[i] = above * (1 - down) + below * down
  }
}

/** How much of a pixel's unexplained difference belongs to its foreground, by its alpha; 1 when opaque. */
const gain = (a: number) => a / (1 - detail * a * (1 - a))
