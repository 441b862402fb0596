/** Arithmetic on pixels, without libraries: runs in a thread of its own. */

export interface CompositeTask {
  /** Interleaved 8-bit RGB or RGBA. */
  data: Uint8Array<ArrayBuffer>
  width: number
  height: number
  channels: 3 | 4
  /** 0..1 at the model's size. */
  alpha: Float32Array<ArrayBuffer>
  matteWidth: number
  matteHeight: number
  keepHiddenColor: boolean
}

export interface Cutout {
  /** Alpha 0..255, width * height bytes. */
  mask: Uint8Array<ArrayBuffer>
  /** Interleaved RGBA, width * height * 4 bytes. */
  rgba: Uint8Array<ArrayBuffer>
  width: number
  height: number
}

/**
 * Brings the matte to the picture's size and makes mask and cut-out in one pass over the pixels. The matte is
 * interpolated bilinearly (pixel centres at .5, edges repeated) in floating point where the picture is larger, and
 * averaged over areas where it is smaller. A transparency the picture has already is multiplied with it.
 * Colour is untouched, except that it is cleared under alpha 0 unless asked to be kept.
 */
export function composite(task: CompositeTask): Cutout {
  const { data, width, height, channels, keepHiddenColor } = task
  const matte = shrinkRows(
    shrinkColumns({ values: task.alpha, width: task.matteWidth, height: task.matteHeight }, width),
    height,
  )
  const columns = positions(width, matte.width)
  const rows = positions(height, matte.height)

  const mask = new Uint8Array(width * height)
  const rgba = new Uint8Array(width * height * 4)
  const pixels = new Uint32Array(rgba.buffer)
  const row = new Float32Array(matte.width)
  for (let y = 0; y < height; y++) {
    const above = rows.first[y]! * matte.width
    const below = rows.second[y]! * matte.width
    const down = rows.weight[y]!
    for (let i = 0; i < row.length; i++) {
      const value = matte.values[above + i]!
      row[i] = (value + (matte.values[below + i]! - value) * down) * 255
    }
    for (let x = 0, at = y * width, from = at * channels; x < width; x++, at++, from += channels) {
      const left = row[columns.first[x]!]!
      const value = left + (row[columns.second[x]!]! - left) * columns.weight[x]!
      const alpha = channels === 4 ? (value * data[from + 3]! * (1 / 255) + 0.5) | 0 : (value + 0.5) | 0
      mask[at] = alpha
      // Little-endian, as on every platform Node runs on with onnxruntime and sharp.
      if (alpha > 0 || keepHiddenColor) {
        pixels[at] = data[from]! | (data[from + 1]! << 8) | (data[from + 2]! << 16) | (alpha << 24)
      }
    }
  }
  return { mask, rgba, width, height }
}

interface Plane {
  values: Float32Array<ArrayBuffer>
  width: number
  height: number
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
function shrinkColumns(plane: Plane, width: number): Plane {
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
function shrinkRows(plane: Plane, height: number): Plane {
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
