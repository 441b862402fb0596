/** Bringing a matte to a picture's size: arithmetic only, runs in a pixel thread. */
import type { Samples } from './decode.ts'

export interface MattePlane {
  /** 0..1, width * height values. */
  values: Float32Array<ArrayBuffer>
  width: number
  height: number
}

/**
 * The matte at a picture's size, in the picture's depth: interpolated bilinearly (pixel centres at .5, edges repeated)
 * in floating point where the picture is larger, averaged over areas where it is smaller. A transparency the picture
 * has already is multiplied with it.
 *
 * @param alpha is filled: width * height values, 0..255 or 0..65535
 * @param own interleaved RGBA, where the picture has its own alpha
 */
export function resizeMatte(
  matte: MattePlane,
  alpha: Samples,
  { width, height }: { width: number; height: number },
  own?: Samples,
): void {
  const maximum = alpha instanceof Uint16Array ? 65535 : 255
  const plane = shrinkRows(shrinkColumns(matte, width), height)
  const columns = positions(width, plane.width)
  const rows = positions(height, plane.height)
  const row = new Float32Array(plane.width)
  for (let y = 0, at = 0; y < height; y++) {
    const above = rows.first[y]! * plane.width
    const below = rows.second[y]! * plane.width
    const down = rows.weight[y]!
    for (let i = 0; i < row.length; i++) {
      const value = plane.values[above + i]!
      row[i] = (value + (plane.values[below + i]! - value) * down) * maximum
    }
    for (let x = 0; x < width; x++, at++) {
      const left = row[columns.first[x]!]!
      const value = left + (row[columns.second[x]!]! - left) * columns.weight[x]!
      alpha[at] = (own ? (value * own[at * 4 + 3]!) / maximum + 0.5 : value + 0.5) | 0
    }
  }
}

/** For each of `count` target pixels the two source pixels it lies between, and how far towards the second. */
function positions(count: number, sourceCount: number) {
  const first = new Uint32Array(count)
  const second = new Uint32Array(count)
  const weight = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const position = Math.min(Math.max(((i + 0.5) * sourceCount) / count - 0.5, 0), sourceCount - 1)
    first[i] = Math.floor(position)
    second[i] = Math.min(first[i]! + 1, sourceCount - 1)
    weight[i] = position - first[i]!
  }
  return { first, second, weight }
}

/** Averages columns over areas until there are `width` of them; does nothing when there are no more. */
function shrinkColumns(plane: MattePlane, width: number): MattePlane {
  if (plane.width <= width) return plane
  const values = new Float32Array(width * plane.height)
  const scale = plane.width / width
  for (let x = 0; x < width; x++) {
    const from = x * scale
    const to = from + scale
    for (let source = Math.floor(from); source < to && source < plane.width; source++) {
      const share = (Math.min(source + 1, to) - Math.max(source, from)) / scale
      for (let y = 0; y < plane.height; y++)
        values[y * width + x]! += plane.values[y * plane.width + source]! * share
    }
  }
  return { values, width, height: plane.height }
}

/** The same for rows. */
function shrinkRows(plane: MattePlane, height: number): MattePlane {
  if (plane.height <= height) return plane
  const { width } = plane
  const values = new Float32Array(width * height)
  const scale = plane.height / height
  for (let y = 0; y < height; y++) {
    const from = y * scale
    const to = from + scale
    for (let source = Math.floor(from); source < to && source < plane.height; source++) {
      const share = (Math.min(source + 1, to) - Math.max(source, from)) / scale
      for (let x = 0; x < width; x++) values[y * width + x]! += plane.values[source * width + x]! * share
    }
  }
  return { values, width, height }
}
