/** Resizes a matte to a picture's size. */

import type { Samples } from '../../../../src/cutout/picture.ts'
import type { MattePlane } from '../../../../src/cutout/pixels/matte.ts'
import { type Filter, triangle } from './resample.ts'

/**
 * Resizes the matte to a picture's size and depth, with the filter that made the model's input: bilinear where the picture
 * is larger, a widened triangle where it is smaller. The result is multiplied by the picture's own transparency.
 *
 * @param alpha is filled: width * height values, 0..255 or 0..65535
 * @param own interleaved RGBA, when the picture has its own alpha
 */
export function resizeMatte(
  matte: MattePlane,
  alpha: Samples,
  { width, height }: { width: number; height: number },
  own?: Samples,
): void {
  const maximum = alpha instanceof Uint16Array ? 65535 : 255
  const across = triangle(matte.width, width)
  const down = triangle(matte.height, height)
  const ends = endsOf(across, matte.width)
  const row = new Float32Array(matte.width)
  for (let y = 0; y < height; y++) {
    row.fill(0)
    for (let tap = 0; tap < down.taps; tap++) {
      const weight = down.weights[y * down.taps + tap]! * maximum
      const start = (down.first[y]! + tap) * matte.width
      if (weight > 0) for (let i = 0; i < row.length; i++) row[i]! += matte.values[start + i]! * weight
    }
    if (across.taps === 2 && width >= matte.width && !own) fillRow(row, across, ends, alpha, y * width)
    else {
      for (let x = 0, at = y * width, w = 0; x < width; x++, at++) {
        let value = 0
        const first = across.first[x]!
        for (let tap = 0; tap < across.taps; tap++, w++) value += row[first + tap]! * across.weights[w]!
        alpha[at] = (own ? (value * own[at * 4 + 3]!) / maximum + 0.5 : value + 0.5) | 0
      }
    }
  }
}

/**
 * Does not interpolate between neighbors that round to the same level: most of a matte is 0 or full.
 *
 * @param ends for each value of the row, the first pixel beyond the span between it and the next value
 */
function fillRow(
  row: Float32Array,
  { weights }: Filter,
  ends: Uint32Array,
  alpha: Samples,
  start: number,
): void {
  const last = row.length - 1
  for (let column = 0, x = 0; column < last; ) {
    const left = row[column]!
    const level = (left + 0.5) | 0
    const first = column
    while (column < last && ((row[column + 1]! + 0.5) | 0) === level) column++
    if (column > first) {
      const end = ends[column - 1]!
      if (level > 0) alpha.fill(level, start + x, start + end)
      x = end
    } else {
      const right = row[column + 1]!
      for (const end = ends[column]!; x < end; x++)
        alpha[start + x] = (left * weights[x * 2]! + right * weights[x * 2 + 1]! + 0.5) | 0
      column++
    }
  }
}

function endsOf({ first }: Filter, columns: number): Uint32Array {
  const ends = new Uint32Array(columns)
  for (let x = 0; x < first.length; x++) ends[first[x]!] = x + 1
  for (let column = 1; column < columns; column++) ends[column] = Math.max(ends[column]!, ends[column - 1]!)
  return ends
}
