import sharp, { type Metadata } from 'sharp'
import { RmbgError } from '../../errors.ts'
import { apngFrames } from './apng.ts'
import { type BmpHeader, readBmpHeader } from './bmp.ts'
import { assertHeicDecoder } from './heic.ts'
import { jxlFrames } from './jxl.ts'
import { type JxlHeader, readJxlHeader } from './jxl-header.ts'
import { mostChannels, openOptions, reason } from './libvips.ts'
import { unreadableTiff } from './tiff-channels.ts'
import { type ReadAt, readTiffTags } from './tiff-tags.ts'

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
  /** Frames of an animation, or pages of a document; only the first is read. */
  frames: number
  /** What libvips found, where it reads the format: `decode` need not look again. */
  metadata?: Metadata
}

/** A file that is not read whole. */
export interface PictureFile {
  path: string
  readAt: ReadAt
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
  heic: 'heic',
  bmp: 'bmp',
}
const bitDepths: Record<string, number> = { uchar: 8, char: 8, ushort: 16, short: 16 }
const readable = 'JPEG, PNG, WebP, AVIF, HEIC, JPEG XL, TIFF, GIF and BMP can be read.'

/**
 * Reads only a picture's header, and refuses a picture that cannot or must not be decoded.
 *
 * @param input the bytes, or a file so that a huge one is refused without being read
 * @throws RmbgError INPUT_UNSUPPORTED, INPUT_CORRUPT or INPUT_TOO_LARGE
 */
export async function readHeader(
  input: PictureFile | Uint8Array,
  limits: HeaderLimits,
): Promise<ImageHeader> {
  const isFile = 'readAt' in input
  const bmp = await readBmpHeader(isFile ? input.readAt : input)
  if (bmp) return bmpImage(bmp, limits)
  const jxl = await readJxlHeader(isFile ? input.readAt : input)
  if (jxl) return jxlImage(jxl, input, limits)
  let metadata: Metadata
  try {
    metadata = await sharp(isFile ? input.path : input, { ...openOptions, failOn: 'none' }).metadata()
  } catch (cause) {
    throw (await tiffRefusal(input)) ?? headerError(cause as Error, isFile ? input.path : '')
  }
  const format = formatOf(metadata)
  if (format === 'heic') assertHeicDecoder()
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
  const refusal = format === 'tiff' ? await tiffRefusal(input) : undefined
  if (refusal) throw refusal
  const { width, height } = metadata.autoOrient
  assertFits({ width, height }, limits)
  const frames = format === 'png' ? await apngFrames(isFile ? input.readAt : input) : (metadata.pages ?? 1)
  return { format, extension, width, height, bitDepth: bitDepths[metadata.depth] ?? 32, frames, metadata }
}

function formatOf({ format, compression }: Metadata): string {
  if (format !== 'heif') return format
  if (compression === 'av1') return 'avif'
  return compression === 'hevc' ? 'heic' : format
}

function bmpImage({ width, height }: BmpHeader, limits: HeaderLimits): ImageHeader {
  assertFits({ width, height }, limits)
  return { format: 'bmp', extension: 'bmp', width, height, bitDepth: 8, frames: 1 }
}

/** The decoder computes in floating-point numbers, and its memory ends at 4 GiB. */
const mostJxlPixels = 80e6

async function jxlImage(
  { width, height, bits, isAnimated }: JxlHeader,
  input: PictureFile | Uint8Array,
  { maxPixels }: HeaderLimits,
): Promise<ImageHeader> {
  assertFits({ width, height }, { maxPixels })
  if (width * height > mostJxlPixels) {
    throw new RmbgError(
      'INPUT_TOO_LARGE',
      `The picture has ${width}x${height} pixels, too many for a JPEG XL here.`,
      {
        hint: 'Save it as PNG or TIFF.',
      },
    )
  }
  const frames = isAnimated ? await jxlFrames('readAt' in input ? input.readAt : input) : 1
  const bitDepth = bits > 16 ? 32 : bits > 8 ? 16 : 8
  return { format: 'jxl', extension: 'jxl', width, height, bitDepth, frames }
}

function assertFits(
  { width, height }: Pick<ImageHeader, 'width' | 'height'>,
  limits: Pick<HeaderLimits, 'maxPixels'>,
): void {
  if (width * height > limits.maxPixels) {
    const megapixels = (pixels: number) => Math.round(pixels / 1e6).toLocaleString('en')
    throw new RmbgError(
      'INPUT_TOO_LARGE',
      `The picture has ${width}x${height} pixels (${megapixels(width * height)} megapixels), more than the limit of ${megapixels(limits.maxPixels)}.`,
      { hint: 'Raise --max-pixels if you trust the file.' },
    )
  }
}

async function tiffRefusal(input: PictureFile | Uint8Array): Promise<RmbgError | undefined> {
  const tags = await readTiffTags('readAt' in input ? input.readAt : input)
  return tags && unreadableTiff(tags)
}

function headerError(cause: Error, path: string): RmbgError {
  // libvips says "unsupported image format" when no loader recognizes the first bytes.
  if (/unsupported image format/.test(cause.message)) {
    return new RmbgError('INPUT_UNSUPPORTED', 'The content is not a picture in a format that can be read.', {
      hint: readable,
      cause,
    })
  }
  if (/exceeds channel limit/.test(cause.message)) {
    return new RmbgError('INPUT_UNSUPPORTED', `The picture has more than ${mostChannels} channels.`, {
      cause,
    })
  }
  return new RmbgError('INPUT_CORRUPT', `The picture's header is damaged${reason(cause, path)}.`, { cause })
}
