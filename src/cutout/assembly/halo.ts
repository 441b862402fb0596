/**
 * Each soft pixel's place on the line from the mean color of the opaque subject nearby to that of the clear background
 * nearby, weighted by alpha (1 - alpha).
 */
import { clearBelow, opaqueFrom } from './figures'
import { take, takeClear } from './memory'
import { maximumOf } from './samples'

/** Cells a side on which the colors of subject and background are known; an edge looks two cells far. */
const haloGrid: i32 = 96
const haloReach: i32 = 2
const samplesPerCellSide: i32 = 6
/** Colors closer to each other than this (0..1, Euclidean) cannot show a halo. */
const leastContrast: f64 = 0.15

export class Halo {
  width: i32 = 0
  height: i32 = 0
  cell: i32 = 0
  columns: i32 = 0
  rows: i32 = 0
  /** A few pixels are enough for the mean of a cell. */
  step: i32 = 0
  /** u8: (1) the cells that a soft pixel's colors are compared with, and (2) its own. */
  near: usize = 0
  /** f32: sums of red, green, blue and the count, for each cell. */
  subject: usize = 0
  background: usize = 0
  softCount: i32 = 0
  /** Of each soft pixel that is looked at: its cell (u32), its color (3 u16) and its alpha (u16). */
  soft: usize = 0
  filled: i32 = 0
}

export function halo(width: i32, height: i32): Halo {
  const halo = changetype<Halo>(takeClear(offsetof<Halo>()))
  halo.width = width
  halo.height = height
  halo.cell = max((max(width, height) + haloGrid - 1) / haloGrid, 1)
  halo.columns = (width + halo.cell - 1) / halo.cell
  halo.rows = (height + halo.cell - 1) / halo.cell
  halo.step = max(halo.cell / samplesPerCellSide, 1)
  halo.near = takeClear(halo.columns * halo.rows)
  return halo
}

function isSoft(alpha: i32): bool {
  return alpha >= clearBelow && alpha < opaqueFrom
}

/** Finds the soft pixels of a row that are looked at. */
export function markSoft(halo: Halo, y: i32, mask: usize): void {
  if (y % halo.step !== 0) return
  const row = y / halo.cell
  for (let x = 0; x < halo.width; x += halo.step) {
    if (!isSoft(load<u8>(mask + x))) continue
    halo.softCount++
    markAround(halo, x / halo.cell, row)
  }
}

function markAround(halo: Halo, column: i32, row: i32): void {
  const columns = halo.columns
  if (load<u8>(halo.near + row * columns + column) === 2) return
  for (let v = max(row - haloReach, 0); v <= min(row + haloReach, halo.rows - 1); v++) {
    for (let u = max(column - haloReach, 0); u <= min(column + haloReach, columns - 1); u++) {
      const at = halo.near + v * columns + u
      if (load<u8>(at) === 0) store<u8>(at, 1)
    }
  }
  store<u8>(halo.near + row * columns + column, 2)
}

/** Once all soft pixels are known. */
export function planHalo(halo: Halo): void {
  halo.subject = takeClear(halo.columns * halo.rows * 16)
  halo.background = takeClear(halo.columns * halo.rows * 16)
  halo.soft = take(halo.softCount * 12)
}

/** Whether colors of a row of pixels count. */
export function isLookedAt(halo: Halo, y: i32): bool {
  if (halo.softCount === 0) return false
  const row = y / halo.cell
  if (y % halo.step !== 0 && (y - row * halo.cell) % halo.step !== 0) return false
  for (let x = 0; x < halo.columns; x++) if (load<u8>(halo.near + row * halo.columns + x)) return true
  return false
}

/**
 * Adds the colors of a row of pixels.
 *
 * @param rgba of the cut-out; 0 where the whole row is clear
 */
export function addColors<T>(
  halo: Halo,
  y: i32,
  mask: usize,
  rgba: usize,
  pixels: usize,
  channels: i32,
): void {
  const row = y / halo.cell
  const cells = row * halo.columns
  if (y % halo.step === 0 && rgba !== 0) keepSoft<T>(halo, cells, mask, rgba)
  if ((y - row * halo.cell) % halo.step !== 0) return
  for (let column = 0; column < halo.columns; column++) {
    if (load<u8>(halo.near + cells + column) === 0) continue
    const right = min((column + 1) * halo.cell, halo.width)
    const at = (cells + column) * 16
    for (let x = column * halo.cell; x < right; x += halo.step) {
      const alpha = <i32>load<u8>(mask + x)
      if (alpha >= opaqueFrom) addColor<T>(halo.subject + at, rgba + x * 4 * sizeof<T>())
      else if (alpha < clearBelow) addColor<T>(halo.background + at, pixels + x * channels * sizeof<T>())
    }
  }
}

function addColor<T>(sums: usize, from: usize): void {
  for (let c = 0; c < 3; c++) {
    store<f32>(sums + c * 4, load<f32>(sums + c * 4) + <f32>load<T>(from + c * sizeof<T>()))
  }
  store<f32>(sums + 12, load<f32>(sums + 12) + 1)
}

function keepSoft<T>(halo: Halo, cells: i32, mask: usize, rgba: usize): void {
  for (let x = 0; x < halo.width; x += halo.step) {
    const alpha = <i32>load<u8>(mask + x)
    if (!isSoft(alpha)) continue
    const at = halo.soft + halo.filled++ * 12
    store<u32>(at, cells + x / halo.cell)
    for (let c = 0; c < 3; c++) store<u16>(at + 4 + c * 2, load<T>(rgba + (x * 4 + c) * sizeof<T>()))
    store<u16>(at + 10, alpha)
  }
}

/** @returns 0..1; negative when there is no soft edge, or subject and background have the same color */
export function score<T>(halo: Halo): f64 {
  const inside = spread(halo, halo.subject)
  const outside = spread(halo, halo.background)
  let score: f64 = 0
  let weights: f64 = 0
  const least = leastContrast * maximumOf<T>() * (leastContrast * maximumOf<T>())
  for (let i = 0; i < halo.softCount; i++) {
    const at = halo.soft + i * 12
    const cell = load<u32>(at) * 16
    const insideCount = <f64>load<f32>(inside + cell + 12)
    const outsideCount = <f64>load<f32>(outside + cell + 12)
    if (insideCount === 0 || outsideCount === 0) continue
    let along: f64 = 0
    let contrast: f64 = 0
    for (let c = 0; c < 3; c++) {
      const own = <f64>load<f32>(inside + cell + c * 4) / insideCount
      const towards = <f64>load<f32>(outside + cell + c * 4) / outsideCount - own
      along += (<f64>load<u16>(at + 4 + c * 2) - own) * towards
      contrast += towards * towards
    }
    if (contrast < least) continue
    const alpha = <f64>load<u16>(at + 10) / 255
    const weight = alpha * (1 - alpha)
    score += weight * min<f64>(max<f64>(along / contrast, 0), 1)
    weights += weight
  }
  return weights === 0 ? -1 : score / weights
}

/** The sum of its neighborhood for every cell that has soft pixels. */
function spread(halo: Halo, sums: usize): usize {
  const result = takeClear(halo.columns * halo.rows * 16)
  for (let y = 0; y < halo.rows; y++) {
    for (let x = 0; x < halo.columns; x++) {
      if (load<u8>(halo.near + y * halo.columns + x) !== 2) continue
      let sum = f32x4.splat(0)
      for (let v = max(y - haloReach, 0); v <= min(y + haloReach, halo.rows - 1); v++) {
        for (let u = max(x - haloReach, 0); u <= min(x + haloReach, halo.columns - 1); u++) {
          sum = f32x4.add(sum, v128.load(sums + (v * halo.columns + u) * 16))
        }
      }
      v128.store(result + (y * halo.columns + x) * 16, sum)
    }
  }
  return result
}
