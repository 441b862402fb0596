/** Reading finished files back, to check them. */
import sharp from 'sharp'
import { decode } from './decode.ts'
import { openOptions } from './libvips.ts'
import { fromRaw } from './raw.ts'

/** The format, as sharp names it, and the size in pixels; does not decode the picture. */
export async function readFacts(
  bytes: Uint8Array,
): Promise<{ format: string; width: number; height: number }> {
  const { format, width, height } = await sharp(bytes, openOptions).metadata()
  return { format, width, height }
}

/**
 * The upright picture in sRGB: interleaved RGBA, 8 bits, width * height * 4 bytes.
 *
 * @throws RmbgError INPUT_CORRUPT or INPUT_UNSUPPORTED
 */
export async function decodeRgba(
  bytes: Uint8Array,
): Promise<{ data: Uint8Array; width: number; height: number }> {
  const picture = await decode(bytes)
  const { width, height } = picture
  return { data: await fromRaw(picture.data, picture).ensureAlpha().raw().toBuffer(), width, height }
}
