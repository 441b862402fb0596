import { pngFile } from './codec/png.ts'
import { pngRows } from './pixels/png.ts'

/**
 * The file of a picture that was rendered, as a PNG.
 *
 * @param rgb interleaved, 8 bit, width * height * 3 bytes
 */
export function pictureFile(
  rgb: Uint8Array<ArrayBuffer>,
  { width, height }: { width: number; height: number },
): Uint8Array {
  const image = { width, height, channels: 3, depth: 8 } as const
  return pngFile(image, pngRows(rgb, image))
}
