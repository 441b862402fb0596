/** Figures about a mask. */

import { type FrameSide, type Review, reviewOf, touchShare } from '../../../../src/cutout/pixels/review.ts'
import { wordsOf } from './words.ts'

export interface Reviewed {
  /** Alpha 0..255. */
  mask: Uint8Array
  /** Interleaved RGBA of the cut-out. */
  rgba: Uint8Array | Uint16Array
  /** The picture as it was, interleaved, same scale as `rgba`. */
  data: Uint8Array | Uint16Array
  channels: 3 | 4
  width: number
  height: number
  /** As in `Review`. */
  expectedIou: number | null
  /** What `expectedIou` must reach, where that is known to tell good masks from bad ones. */
  leastExpectedIou: number | undefined
}

const clearBelow = 13
const opaqueFrom = 243
/** Islands and holes smaller than this share of the frame are specks. */
const speckShare = 0.0005

/** Measures a mask, and says what is suspicious about it. */
export function review(reviewed: Reviewed): Review {
  const { mask, width, height } = reviewed
  return reviewOf({
    ...tally(mask),
    ...countRegions(mask, width, height),
    pixels: mask.length,
    touches: touchedSides(mask, width, height),
    haloScore: halo(reviewed),
    expectedIou: reviewed.expectedIou,
    leastExpectedIou: reviewed.leastExpectedIou,
  })
}

/** Counts four pixels at once where they are all 0 or all full, which most of a mask is. */
function tally(mask: Uint8Array): { sum: number; clear: number; opaque: number } {
  const fours = wordsOf(mask)
  const total = { sum: 0, clear: 0, opaque: 0 }
  for (let i = 0; i < fours.length; i++) {
    if (fours[i] === 0) total.clear += 4
    else if (fours[i] === 0xffffffff) {
      total.sum += 4 * 255
      total.opaque += 4
    } else count(mask, i * 4, i * 4 + 4, total)
  }
  count(mask, fours.length * 4, mask.length, total)
  return total
}

function count(mask: Uint8Array, from: number, to: number, total: ReturnType<typeof tally>): void {
  for (let at = from; at < to; at++) {
    const alpha = mask[at]!
    total.sum += alpha
    if (alpha < clearBelow) total.clear++
    else if (alpha >= opaqueFrom) total.opaque++
  }
}

function touchedSides(mask: Uint8Array, width: number, height: number): FrameSide[] {
  const sides: [FrameSide, number][] = [
    ['top', subjectShare(mask, 0, 1, width)],
    ['right', subjectShare(mask, width - 1, width, height)],
    ['bottom', subjectShare(mask, (height - 1) * width, 1, width)],
    ['left', subjectShare(mask, 0, width, height)],
  ]
  return sides.filter(([, touched]) => touched > touchShare).map(([side]) => side)
}

function subjectShare(mask: Uint8Array, start: number, stride: number, length: number): number {
  let count = 0
  for (let i = 0; i < length; i++) if (mask[start + i * stride]! >= 128) count++
  return count / length
}

/** Counts parts and openings on a grid of at most 256 cells a side. */
function countRegions(mask: Uint8Array, width: number, height: number): { islands: number; holes: number } {
  const cell = Math.ceil(Math.max(width, height) / 256)
  const columns = Math.ceil(width / cell)
  const rows = Math.ceil(height / cell)
  const isSubject = new Uint8Array(columns * rows)
  // Sixteen samples tell whether a cell is mostly subject.
  const step = Math.ceil(cell / 4)
  for (let row = 0, at = 0; row < rows; row++) {
    const bottom = Math.min((row + 1) * cell, height)
    for (let column = 0; column < columns; column++, at++) {
      const right = Math.min((column + 1) * cell, width)
      let sum = 0
      let samples = 0
      for (let y = row * cell; y < bottom; y += step) {
        for (let x = column * cell; x < right; x += step, samples++) sum += mask[y * width + x]!
      }
      isSubject[at] = sum >= 127.5 * samples ? 1 : 0
    }
  }
  const smallest = Math.max(speckShare * isSubject.length, 1)
  const regions = connectedRegions(isSubject, columns, rows).filter(({ size }) => size >= smallest)
  return {
    islands: regions.filter(({ value }) => value === 1).length,
    holes: regions.filter(({ value, atFrame }) => value === 0 && !atFrame).length,
  }
}

interface Region {
  value: number
  size: number
  atFrame: boolean
}

/** Regions of equal value. Subject also connects over corners; background does not, or a thin closed curve would leak. */
function connectedRegions(values: Uint8Array, columns: number, rows: number): Region[] {
  const seen = new Uint8Array(values.length)
  const stack = new Uint32Array(values.length)
  const regions: Region[] = []
  for (let start = 0; start < values.length; start++) {
    if (seen[start]) continue
    const value = values[start]!
    const region: Region = { value, size: 0, atFrame: false }
    let depth = 1
    stack[0] = start
    seen[start] = 1
    while (depth > 0) {
      const at = stack[--depth]!
      const x = at % columns
      const y = (at - x) / columns
      region.size++
      region.atFrame ||= x === 0 || y === 0 || x === columns - 1 || y === rows - 1
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, rows - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, columns - 1); u++) {
          const isCorner = u !== x && v !== y
          const next = v * columns + u
          if ((isCorner && value === 0) || seen[next] || values[next] !== value) continue
          seen[next] = 1
          stack[depth++] = next
        }
      }
    }
    regions.push(region)
  }
  return regions
}

/** Cells a side on which the colors of subject and background are known; an edge looks two cells far. */
const haloGrid = 96
const haloReach = 2
const samplesPerCellSide = 6
/** Colors closer to each other than this (0..1, Euclidean) cannot show a halo. */
const leastContrast = 0.15

/**
 * Each soft pixel's place on the line from the mean color of the opaque subject nearby to that of the clear
 * background nearby, weighted by alpha (1 - alpha).
 */
function halo({ mask, rgba, data, channels, width, height }: Reviewed): number | null {
  const maximum = rgba instanceof Uint16Array ? 65535 : 255
  const cell = Math.max(Math.ceil(Math.max(width, height) / haloGrid), 1)
  const columns = Math.ceil(width / cell)
  const rows = Math.ceil(height / cell)
  // A few pixels are enough for the mean of a cell, and only cells near soft pixels are needed.
  const step = Math.max(Math.floor(cell / samplesPerCellSide), 1)
  const soft = new Uint32Array(Math.ceil(width / step) * Math.ceil(height / step))
  let softCount = 0
  const near = new Uint8Array(columns * rows)
  for (let y = 0; y < height; y += step) {
    const row = Math.floor(y / cell)
    for (let x = 0, at = y * width; x < width; x += step, at += step) {
      if (mask[at]! < clearBelow || mask[at]! >= opaqueFrom) continue
      soft[softCount++] = at
      markAround(near, columns, rows, Math.floor(x / cell), row)
    }
  }
  if (softCount === 0) return null
  // Sums of red, green, blue and the count, of the subject and of the background.
  const subject = new Float32Array(columns * rows * 4)
  const background = new Float32Array(columns * rows * 4)
  for (let row = 0, cellAt = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, cellAt++) {
      if (near[cellAt] === 0) continue
      const [bottom, right] = [Math.min((row + 1) * cell, height), Math.min((column + 1) * cell, width)]
      for (let y = row * cell; y < bottom; y += step) {
        for (let x = column * cell; x < right; x += step) {
          const at = y * width + x
          const alpha = mask[at]!
          if (alpha >= opaqueFrom) addColor(subject, cellAt * 4, rgba, at * 4)
          else if (alpha < clearBelow) addColor(background, cellAt * 4, data, at * channels)
        }
      }
    }
  }
  const inside = spread(subject, near, columns, rows)
  const outside = spread(background, near, columns, rows)
  let score = 0
  let weights = 0
  for (let i = 0; i < softCount; i++) {
    const at = soft[i]!
    const x = at % width
    const cellAt = (Math.floor((at - x) / width / cell) * columns + Math.floor(x / cell)) * 4
    const [insideCount, outsideCount] = [inside[cellAt + 3]!, outside[cellAt + 3]!]
    if (insideCount === 0 || outsideCount === 0) continue
    let along = 0
    let contrast = 0
    for (let c = 0; c < 3; c++) {
      const own = inside[cellAt + c]! / insideCount
      const towards = outside[cellAt + c]! / outsideCount - own
      along += (rgba[at * 4 + c]! - own) * towards
      contrast += towards * towards
    }
    if (contrast < (leastContrast * maximum) ** 2) continue
    const alpha = mask[at]! / 255
    const weight = alpha * (1 - alpha)
    score += weight * Math.min(Math.max(along / contrast, 0), 1)
    weights += weight
  }
  return weights === 0 ? null : score / weights
}

/** Flags (1) the cells that a soft pixel's colors are compared with, and (2) its own. */
function markAround(near: Uint8Array, columns: number, rows: number, column: number, row: number): void {
  if (near[row * columns + column] === 2) return
  for (let v = Math.max(row - haloReach, 0); v <= Math.min(row + haloReach, rows - 1); v++) {
    for (let u = Math.max(column - haloReach, 0); u <= Math.min(column + haloReach, columns - 1); u++)
      near[v * columns + u]! ||= 1
  }
  near[row * columns + column] = 2
}

function addColor(sums: Float32Array, into: number, colors: Uint8Array | Uint16Array, from: number): void {
  sums[into]! += colors[from]!
  sums[into + 1]! += colors[from + 1]!
  sums[into + 2]! += colors[from + 2]!
  sums[into + 3]!++
}

/** Replaces every cell that has soft pixels by the sum of its neighborhood. */
function spread(sums: Float32Array, near: Uint8Array, columns: number, rows: number): Float32Array {
  const result = new Float32Array(sums.length)
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      if (near[y * columns + x] !== 2) continue
      const into = (y * columns + x) * 4
      for (let v = Math.max(y - haloReach, 0); v <= Math.min(y + haloReach, rows - 1); v++) {
        for (let u = Math.max(x - haloReach, 0); u <= Math.min(x + haloReach, columns - 1); u++) {
          for (let c = 0; c < 4; c++) result[into + c]! += sums[(v * columns + u) * 4 + c]!
        }
      }
    }
  }
  return result
}
