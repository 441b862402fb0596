import { png } from './codec/encode.ts'
import { fromRaw } from './codec/raw.ts'

/**
 * The file of a picture that was rendered, as a PNG.
 *
 * @param rgb interleaved, 8 bit, width * height * 3 bytes
 */
export const pictureFile = (
  rgb: Uint8Array,
  { width, height }: { width: number; height: number },
): Promise<Uint8Array> => fromRaw(rgb, { width, height, channels: 3 }).png(png).toBuffer()
