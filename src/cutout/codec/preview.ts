/** Pictures for people to look at in a browser: small ones, and those of formats that browsers do not know. */
import sharp from 'sharp'
import { decode } from './decode.ts'
import { readFacts } from './finished.ts'
import { fromRaw } from './raw.ts'

/** What every browser shows. */
const shown = ['jpeg', 'png', 'webp', 'gif', 'avif']
const quality = 80

/**
 * A small WebP, with its transparency.
 *
 * @param side pixels of the longer side at most; a smaller picture keeps its size
 * @throws RmbgError INPUT_CORRUPT or INPUT_UNSUPPORTED
 */
export async function thumbnail(bytes: Uint8Array, side: number): Promise<Uint8Array> {
  const format = await formatOf(bytes)
  const options = { width: side, height: side, fit: 'inside' as const, withoutEnlargement: true }
  if (format !== undefined && shown.includes(format)) {
    // libvips reads a JPEG at a fraction of its size.
    return sharp(bytes, { limitInputPixels: false }).autoOrient().resize(options).webp({ quality }).toBuffer()
  }
  const picture = await decode(bytes)
  return fromRaw(picture.data, picture).resize(options).webp({ quality }).toBuffer()
}

/**
 * A picture in a format that browsers show: as it is where it is of one, else as a PNG.
 *
 * @throws RmbgError INPUT_CORRUPT or INPUT_UNSUPPORTED
 */
export async function showable(bytes: Uint8Array): Promise<{ bytes: Uint8Array; contentType: string }> {
  const format = await formatOf(bytes)
  // One that is a program of its own, as SVG can be, is shown as pixels.
  if (format !== undefined && shown.includes(format)) return { bytes, contentType: `image/${format}` }
  const picture = await decode(bytes)
  const png = await fromRaw(picture.data, picture).png({ compressionLevel: 1 }).toBuffer()
  return { bytes: png, contentType: 'image/png' }
}

async function formatOf(bytes: Uint8Array): Promise<string | undefined> {
  const facts = await readFacts(bytes).catch(() => undefined)
  // A HEIC and an AVIF are both "heif" to libvips; browsers know the latter.
  return facts?.format === 'heif' && isAvif(bytes) ? 'avif' : facts?.format
}

/** ISO 14496-12: the major brand stands at byte 8. */
const isAvif = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(8, 12)).toString('latin1') === 'avif'

/**
 * A mask that a person has drawn, as masks are stored.
 *
 * @returns a gray PNG of 8 bits; undefined for what is no picture of that size
 */
export async function asMask(
  bytes: Uint8Array,
  { width, height }: { width: number; height: number },
): Promise<Uint8Array | undefined> {
  const facts = await readFacts(bytes).catch(() => undefined)
  if (facts?.format !== 'png' || facts.width !== width || facts.height !== height) return undefined
  return sharp(bytes, { limitInputPixels: false })
    .extractChannel(0)
    .toColourspace('b-w')
    .png({ compressionLevel: 3 })
    .toBuffer()
}
