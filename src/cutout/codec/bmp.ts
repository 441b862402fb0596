/** BMP, as Windows programs and old scanners write it. libvips reads none. */
import { RmbgError } from '../../errors.ts'
import type { Picture } from '../picture.ts'
import type { ReadAt } from './tiff-tags.ts'

export interface BmpHeader {
  width: number
  height: number
  bitsPerPixel: number
  /** Whether the fourth byte of a pixel is transparency. */
  hasAlpha: boolean
  /** Length of the file, in bytes; one that is shorter is cut off. */
  bytes: number
}

/** Where the last field ends that is read here. */
const headBytes = 74
/** BITMAPINFOHEADER, and those that have more fields behind its own. */
const headerSizes = [40, 52, 56, 108, 124]
const uncompressed = 0
const bitFields = 3

/** @returns undefined when it is no BMP */
export async function readBmpHeader(file: Uint8Array | ReadAt): Promise<BmpHeader | undefined> {
  const head = await (typeof file === 'function' ? file(0, headBytes) : partOf(file))
  const isBmp = head.length >= 30 && head.toString('latin1', 0, 2) === 'BM' && head.readUInt32LE(6) === 0
  return isBmp ? bmpHeader(head) : undefined
}

const partOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, Math.min(byteLength, headBytes))

/** @throws RmbgError INPUT_UNSUPPORTED for the kinds that `bmp-ts` gets wrong, INPUT_CORRUPT */
function bmpHeader(head: Buffer): BmpHeader {
  const size = head.readUInt32LE(14)
  if (!headerSizes.includes(size)) throw unsupported('is of an old kind')
  if (head.length < 54) throw damaged('it ends in its header')
  const [width, height] = [head.readInt32LE(18), Math.abs(head.readInt32LE(22))]
  const [bitsPerPixel, compression] = [head.readUInt16LE(28), head.readUInt32LE(30)]
  if (width <= 0 || height === 0) throw damaged('it has no pixels')
  if (![uncompressed, bitFields].includes(compression)) throw unsupported('is compressed')
  if (![1, 8, 24, 32].includes(bitsPerPixel)) throw unsupported(`has ${bitsPerPixel} bits per pixel`)
  const masks = compression === bitFields ? masksOf(head, size) : undefined
  if (masks?.some((mask) => !isByte(mask))) throw unsupported('has colors of other than 8 bits')
  if (size === 124 && head.toString('latin1', 70, 74) === 'DEBM') throw unsupported('has a color profile')
  const rowBytes = Math.ceil((width * bitsPerPixel) / 32) * 4
  return {
    width,
    height,
    bitsPerPixel,
    // Without masks the fourth byte means nothing.
    hasAlpha: masks !== undefined && masks.length === 4,
    bytes: head.readUInt32LE(10) + rowBytes * height,
  }
}

/** Red, green and blue; alpha where there is any. */
function masksOf(head: Buffer, size: number): number[] {
  if (head.length < 70) throw damaged('it ends in its header')
  const masks = [54, 58, 62, 66].map((at) => head.readUInt32LE(at))
  return size >= 56 && masks[3] !== 0 ? masks : masks.slice(0, 3)
}

const isByte = (mask: number): boolean => [0xff, 0xff00, 0xff0000, 0xff000000].includes(mask)

/**
 * Decodes a BMP.
 *
 * @throws RmbgError what `readBmpHeader` throws, and INPUT_CORRUPT when pixels are missing
 */
export async function decodeBmp(bytes: Uint8Array, { hasAlpha, bytes: wanted }: BmpHeader): Promise<Picture> {
  if (bytes.byteLength < wanted) throw damaged('it ends too early')
  const { decode } = await import('bmp-ts')
  const { data: abgr, width, height } = decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const channels = hasAlpha ? 4 : 3
  const data = new Uint8Array(width * height * channels)
  for (let from = 0, into = 0; into < data.length; from += 4, into += channels) {
    data[into] = abgr[from + 3] ?? 0
    data[into + 1] = abgr[from + 2] ?? 0
    data[into + 2] = abgr[from + 1] ?? 0
    if (hasAlpha) data[into + 3] = abgr[from] ?? 0
  }
  return { data, width, height, channels }
}

const unsupported = (what: string): RmbgError =>
  new RmbgError('INPUT_UNSUPPORTED', `This BMP ${what}, which cannot be read.`, {
    hint: 'Save it as PNG, or as a BMP with 24 bits per pixel and no compression.',
  })

const damaged = (why: string): RmbgError =>
  new RmbgError('INPUT_CORRUPT', `The picture is damaged or cut off (${why}).`, {
    hint: 'Export or download it again.',
  })
