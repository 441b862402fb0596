import type { Cutout } from './composite.ts'
import { fromRaw } from './decode.ts'

export interface Encoded {
  bytes: Uint8Array
  extension: string
  contentType: string
}

export type CutoutFormat = 'png'

/**
 * Measured on 12 megapixels (shared research, sharp 0.35): level 6 takes 271 ms, level 1 takes 140 ms for 19 % more
 * bytes; adaptive filtering halves the bytes for nearly three times the time.
 */
const png = { compressionLevel: 6, adaptiveFiltering: false }

/** The alpha matte as an 8-bit grey PNG of the picture's size. */
export async function encodeMask({ mask, width, height }: Cutout): Promise<Encoded> {
  const bytes = await fromRaw(mask, { width, height, channels: 1 }).toColourspace('b-w').png(png).toBuffer()
  return { bytes, extension: 'png', contentType: 'image/png' }
}

/** The cut-out with its alpha channel, straight (not premultiplied), sRGB. */
export async function encodeCutout(
  { rgba, width, height }: Cutout,
  { format }: { format: CutoutFormat },
): Promise<Encoded> {
  const bytes = await fromRaw(rgba, { width, height, channels: 4 }).toFormat(format, png).toBuffer()
  return { bytes, extension: format, contentType: `image/${format}` }
}
