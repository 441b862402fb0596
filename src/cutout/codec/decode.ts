import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Metadata, type Sharp } from 'sharp'
import { RmbgError } from '../../errors.ts'
import type { Picture, Samples } from '../picture.ts'

// Parallelism comes from working on many images at once, and nothing is read twice, so a cache would not help.
sharp.concurrency(1)
sharp.cache(false)

export interface ImageHeader {
  /** By the content, not by the file's name. */
  format: string
  /** Usual file name extension of the format, without a dot. */
  extension: string
  /** Pixels, after the EXIF orientation is applied. */
  width: number
  height: number
  /** Bits per channel. */
  bitDepth: number
}

/** A picture and what came with it; its colors are sRGB unless it has a `profile`. */
export interface DecodedImage extends Picture {
  /** ICC, where the numbers are those of the file's own color space. */
  profile?: Buffer | undefined
  /** As found in the file. */
  metadata: { exif?: Buffer | undefined; xmp?: Buffer | undefined }
}

export interface DecodeOptions {
  /** Bits per sample. */
  depth: 8 | 16
  /** Leave colors in the file's own profile. Grey and CMYK pictures become sRGB all the same. */
  keepProfile: boolean
}

export interface HeaderLimits {
  maxPixels: number
  /** Off by default: an SVG is a program for a renderer, and may load files and fonts. */
  allowSvg: boolean
}

const extensions: Record<string, string> = {
  jpeg: 'jpg',
  png: 'png',
  webp: 'webp',
  avif: 'avif',
  tiff: 'tiff',
  gif: 'gif',
  svg: 'svg',
}
const bitDepths: Record<string, number> = { uchar: 8, char: 8, ushort: 16, short: 16 }
const readable = 'JPEG, PNG, WebP, AVIF, TIFF and GIF can be read.'

/**
 * Reads only a picture's header, and refuses a picture that cannot or must not be decoded.
 *
 * @param input the bytes, or the path of a file so that a huge one is refused without being read
 * @throws RmbgError INPUT_UNSUPPORTED, INPUT_CORRUPT or INPUT_TOO_LARGE
 */
export async function readHeader(input: string | Uint8Array, limits: HeaderLimits): Promise<ImageHeader> {
  let metadata: Metadata
  try {
    // No limit here: ours is checked below, with an error message of our own.
    metadata = await sharp(input, { limitInputPixels: false, failOn: 'none' }).metadata()
  } catch (cause) {
    throw headerError(cause as Error, typeof input === 'string' ? input : '')
  }
  const format = metadata.format === 'heif' && metadata.compression === 'av1' ? 'avif' : metadata.format
  if (metadata.format === 'heif' && format !== 'avif') {
    throw new RmbgError('INPUT_UNSUPPORTED', 'This is a HEIC photo (HEVC), which cannot be read.', {
      hint: 'Convert it to JPEG, or set the camera to "most compatible".',
    })
  }
  if (format === 'svg' && !limits.allowSvg) {
    throw new RmbgError('INPUT_UNSUPPORTED', 'This is an SVG drawing, not a photo.', {
      hint: 'Use --allow-svg for drawings you trust.',
    })
  }
  const extension = extensions[format]
  if (extension === undefined) {
    throw new RmbgError(
      'INPUT_UNSUPPORTED',
      `This is a ${format.toUpperCase()} file, which is not supported.`,
      {
        hint: readable,
      },
    )
  }
  const { width, height } = metadata.autoOrient
  if (width * height > limits.maxPixels) {
    const megapixels = (pixels: number) => Math.round(pixels / 1e6).toLocaleString('en')
    throw new RmbgError(
      'INPUT_TOO_LARGE',
      `The picture has ${width}x${height} pixels (${megapixels(width * height)} megapixels), more than the limit of ${megapixels(limits.maxPixels)}.`,
      { hint: 'Raise --max-pixels if you trust the file.' },
    )
  }
  return { format, extension, width, height, bitDepth: bitDepths[metadata.depth] ?? 32 }
}

function headerError(cause: Error, path: string): RmbgError {
  // libvips says "unsupported image format" when no loader recognizes the first bytes.
  if (/unsupported image format/.test(cause.message)) {
    return new RmbgError('INPUT_UNSUPPORTED', 'The content is not a picture in a format that can be read.', {
      hint: readable,
      cause,
    })
  }
  return new RmbgError('INPUT_CORRUPT', `The picture's header is damaged${reason(cause, path)}.`, { cause })
}

/**
 * Decodes a picture completely or not at all. Applies the orientation, converts color profiles (and CMYK, grey) to
 * sRGB unless `keepProfile`, and takes the first frame of animations and the first page of documents.
 *
 * @throws RmbgError INPUT_CORRUPT when data is missing or damaged, instead of returning a picture that is half grey
 */
export async function decode(
  bytes: Uint8Array,
  { depth, keepProfile }: DecodeOptions = { depth: 8, keepProfile: false },
): Promise<DecodedImage> {
  const options = { limitInputPixels: false, failOn: 'error' } as const
  try {
    const { icc, space, exif, xmp } = await sharp(bytes, options).metadata()
    const kept = keepProfile && icc !== undefined && (space === 'srgb' || space === 'rgb16')
    const upright = sharp(bytes, { ...options, ignoreIcc: kept }).autoOrient()
    // sharp converts 16-bit pictures with a profile to P3, unless it is asked for sRGB explicitly.
    const converted =
      space === 'rgb16' && icc && !kept ? upright.withIccProfile('srgb', { attach: false }) : upright
    const { data, info } = await converted
      .toColourspace(depth === 16 ? 'rgb16' : 'srgb')
      .raw({ depth: depth === 16 ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const { width, height, channels } = info
    if (channels !== 3 && channels !== 4) {
      throw new RmbgError('INPUT_UNSUPPORTED', `The picture has ${channels} channels instead of 3 or 4.`)
    }
    const profile = kept ? icc : undefined
    return { data: samples(data, depth), width, height, channels, profile, metadata: { exif, xmp } }
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    throw new RmbgError('INPUT_CORRUPT', `The picture is damaged or cut off${reason(cause as Error)}.`, {
      hint: 'Export or download it again.',
      cause,
    })
  }
}

/**
 * Decodes a stored mask.
 *
 * @returns alpha 0..255, width * height bytes
 * @throws RmbgError MASK_MISSING when its size is not the picture's
 */
export async function decodeMask(
  bytes: Uint8Array,
  { width, height }: { width: number; height: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const { data, info } = await sharp(bytes, { limitInputPixels: false })
    .extractChannel(0)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  if (info.width !== width || info.height !== height) {
    throw new RmbgError(
      'MASK_MISSING',
      `The stored mask has ${info.width}x${info.height} pixels, not the picture's.`,
    )
  }
  return new Uint8Array(data)
}

/** Views libvips' bytes as samples of 8 or 16 bits; copies nothing. */
export function samples(data: Buffer, depth: 8 | 16): Samples {
  const bytes = data as Buffer & Uint8Array<ArrayBuffer>
  return depth === 16 ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) : bytes
}

/** Converts 8-bit RGB from another color space to sRGB. */
export async function toSrgb(
  rgb: Uint8Array,
  size: { width: number; height: number },
  profile: Buffer,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await inProfile(fromRaw(rgb, { ...size, channels: 3 }), profile)
  const image = sharp(file, { limitInputPixels: false })
  return new Uint8Array(await image.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer())
}

/** Starts a sharp pipeline from pixels in memory. */
export function fromRaw(
  data: Uint8Array | Uint16Array,
  { width, height, channels }: { width: number; height: number; channels: 1 | 3 | 4 },
): Sharp {
  return sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
}

/**
 * Attaches a color profile and leaves the numbers as they are. sharp cannot do that: it only converts to a profile, or
 * keeps one that came with a file. So this makes such a file: an uncompressed PNG with the profile in its iCCP chunk.
 */
export async function inProfile(image: Sharp, profile: Buffer): Promise<Buffer> {
  const png = await image.png({ compressionLevel: 0 }).toBuffer()
  const type = Buffer.from('iCCP')
  const data = Buffer.concat([Buffer.from('icc\0\0', 'latin1'), deflateSync(profile)])
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  checksum.writeUInt32BE(crc32(Buffer.concat([type, data])))
  const signatureAndHeader = 33
  return Buffer.concat([
    png.subarray(0, signatureAndHeader),
    ...[length, type, data, checksum],
    png.subarray(signatureAndHeader),
  ])
}

/**
 * The first line of libvips' message, in brackets, without the names of its functions and of the file. Control
 * characters are removed, because the message may quote the picture, which may hold anything.
 */
function reason(cause: Error, path = ''): string {
  const [line = ''] = (path === '' ? cause.message : cause.message.replaceAll(path, '')).split('\n')
  const words = line
    .replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .replace(/^(Input (buffer|file) |has corrupt header:|\w+:|[\s:])+/, '')
    .trim()
  return words === '' ? '' : ` (${words.slice(0, 200)})`
}
