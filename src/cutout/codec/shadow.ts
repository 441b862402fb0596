import type { Samples } from '../picture.ts'
import { overShadow, type Shadow } from '../pixels/shadow.ts'
import { fromRaw } from './raw.ts'

/** A blur of this many pixels and more is made on a smaller picture: nobody can tell, and it is many times as fast. */
const finestBlur = 4

/**
 * Puts a shadow under a cut-out that has its place on the canvas already. What falls outside the canvas is lost.
 *
 * @param rgba the canvas, interleaved, straight alpha, 8 or 16 bits
 * @param length of the longer side of the subject on the canvas, in pixels
 */
export async function withShadow(
  rgba: Samples,
  canvas: { width: number; height: number },
  length: number,
  shadow: Shadow,
): Promise<Samples> {
  const [x, y] = [Math.round(shadow.x * length), Math.round(shadow.y * length)]
  const blurred = await blurredAlpha(alphaOf(rgba), canvas, shadow.blur * length)
  return overShadow(rgba, moved(blurred, canvas, x, y), shadow.strength)
}

function alphaOf(rgba: Samples): Uint8Array {
  const scale = rgba instanceof Uint16Array ? 257 : 1
  const alpha = new Uint8Array(rgba.length / 4)
  for (let at = 3, pixel = 0; at < rgba.length; at += 4, pixel++) alpha[pixel] = rgba[at]! / scale + 0.5
  return alpha
}

/** @param sigma pixels */
async function blurredAlpha(
  alpha: Uint8Array,
  { width, height }: { width: number; height: number },
  sigma: number,
): Promise<Uint8Array> {
  if (sigma < 0.3) return alpha // libvips blurs no less
  const image = fromRaw(alpha, { width, height, channels: 1 })
  const factor = Math.max(sigma / finestBlur, 1)
  const small = { width: Math.ceil(width / factor), height: Math.ceil(height / factor) }
  const { data, info } = await image
    .resize(small.width, small.height, { fit: 'fill', kernel: 'linear' })
    .blur(sigma / factor)
    .toColourspace('b-w')
    .raw()
    .toBuffer({ resolveWithObject: true })
  if (info.width === width && info.height === height) return data
  const enlarged = fromRaw(data, { width: info.width, height: info.height, channels: 1 })
  return enlarged
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .toColourspace('b-w')
    .raw()
    .toBuffer()
}

function moved(
  plane: Uint8Array,
  { width, height }: { width: number; height: number },
  x: number,
  y: number,
): Uint8Array {
  const result = new Uint8Array(plane.length)
  const from = Math.max(-x, 0)
  const columns = width - Math.abs(x)
  if (columns <= 0) return result
  for (let row = Math.max(y, 0); row < Math.min(height, height + y); row++) {
    const start = (row - y) * width + from
    result.set(plane.subarray(start, start + columns), row * width + Math.max(x, 0))
  }
  return result
}
