import { type DecodedImage, toSrgb } from './decode.ts'
import { resample } from './resample.ts'

/**
 * The picture as a model sees it: stretched to the model's size, in sRGB. See `resample` for the arithmetic.
 *
 * @returns interleaved 8-bit RGB, width * height * 3 bytes, on an ArrayBuffer of its own
 */
export async function toModelInput(
  picture: DecodedImage,
  { width, height }: { width: number; height: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const rgb = resample(picture, width, height)
  return picture.profile ? toSrgb(rgb, { width, height }, picture.profile) : rgb
}
