/** Resizes a picture to a model's size. */
import type { Picture } from '../picture.ts'
import { pixelKernels } from './kernels.ts'

/**
 * Stretches a picture as PIL and torchvision do with BILINEAR, which models are trained with: a triangle filter that
 * widens with the reduction, so that no pixel is skipped (Pillow, `Resample.c`). Transparency becomes white: the color
 * stored under it is arbitrary, and models know subjects on white best.
 *
 * @param picture 8 or 16 bits
 * @returns interleaved 8-bit RGB, width * height * 3 bytes
 */
export function resample(picture: Picture, width: number, height: number): Uint8Array<ArrayBuffer> {
  const { data: samples, channels } = picture
  const kernels = pixelKernels()
  kernels.planes = { width: picture.width, picture: { samples, channels } }
  const deep = samples instanceof Uint16Array
  const address = kernels.resample(picture.width, picture.height, channels, deep, width, height)
  kernels.planes = undefined
  return new Uint8Array(kernels.memory.buffer, address, width * height * 3).slice()
}
