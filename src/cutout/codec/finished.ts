/** Reading finished files back, to check them. */
import sharp from 'sharp'

const options = { limitInputPixels: false } as const

/** The format, as sharp names it, and the size in pixels; does not decode the picture. */
export async function readFacts(
  bytes: Uint8Array,
): Promise<{ format: string; width: number; height: number }> {
  const { format, width, height } = await sharp(bytes, options).metadata()
  return { format, width, height }
}

/** The upright picture in sRGB: interleaved RGBA, 8 bits, width * height * 4 bytes. */
export async function decodeRgba(
  bytes: Uint8Array,
): Promise<{ data: Uint8Array; width: number; height: number }> {
  const { data, info } = await sharp(bytes, options)
    .autoOrient()
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}
