import sharp, { type Metadata, type Sharp } from 'sharp'
import { RmbgError } from '../errors.ts'

// Many images are in work at once: parallelism comes from them, and nothing is read twice.
sharp.concurrency(1)
sharp.cache(false)

export interface ImageHeader {
  /** As the content says, whatever the file is called. */
  format: string
  /** Usual file name extension of the format, without a dot. */
  extension: string
  /** Pixels, after the EXIF orientation is applied. */
  width: number
  height: number
  /** Bits per channel. */
  bitDepth: number
}

/** An upright picture in 8-bit sRGB: row-major, interleaved RGB, or RGBA when the file has transparency. */
export interface DecodedImage {
  data: Uint8Array<ArrayBuffer>
  width: number
  height: number
  channels: 3 | 4
}

export interface HeaderLimits {
  maxPixels: number
  /** SVG is a program for a renderer, with files and fonts to load: only on request. */
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
 * Reads no more than a picture's header and refuses what must not or cannot be decoded.
 *
 * @param input the bytes, or the path of a file so that a huge one is refused without being read
 * @throws RmbgError INPUT_UNSUPPORTED, INPUT_CORRUPT or INPUT_TOO_LARGE
 */
export async function readHeader(input: string | Uint8Array, limits: HeaderLimits): Promise<ImageHeader> {
  let metadata: Metadata
  try {
    // libvips keeps files open that it caches; the limit is ours, with a sentence of ours.
    metadata = await sharp(input, { limitInputPixels: false, failOn: 'none' }).metadata()
  } catch (cause) {
    throw headerError(cause as Error)
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

function headerError(cause: Error): RmbgError {
  // libvips says "unsupported image format" for whatever no loader recognises by its first bytes.
  if (/unsupported image format/.test(cause.message)) {
    return new RmbgError('INPUT_UNSUPPORTED', 'The content is not a picture in a format that can be read.', {
      hint: readable,
      cause,
    })
  }
  return new RmbgError('INPUT_CORRUPT', `The picture's header is damaged (${reason(cause)}).`, { cause })
}

/**
 * What one picture costs in memory at its peak, in bytes: file, decoded pixels, cut-out, mask, both encoded, and what
 * libvips works with. An upper estimate: admission by it keeps the whole run within a budget.
 * Measured: from 24 to 48 megapixels the peak of a run grows by 9 bytes per pixel; noisy pictures encode to more.
 */
export function estimateBytes(header: Pick<ImageHeader, 'width' | 'height'>, fileSize: number): number {
  return header.width * header.height * 14 + 2 * fileSize + 16 * 2 ** 20
}

/**
 * Decodes a picture completely or not at all. Orientation is applied, colour profiles (and CMYK, grey, 16 bit) are
 * converted to 8-bit sRGB, of animations and documents the first frame or page is taken.
 *
 * @throws RmbgError INPUT_CORRUPT when data is missing or damaged, rather than a picture that is half grey
 */
export async function decode(bytes: Uint8Array): Promise<DecodedImage> {
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: false, failOn: 'error' })
      .autoOrient()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const { width, height, channels } = info
    if (channels !== 3 && channels !== 4) {
      throw new RmbgError('INPUT_UNSUPPORTED', `The picture has ${channels} channels instead of 3 or 4.`)
    }
    return { data: data as Uint8Array<ArrayBuffer>, width, height, channels }
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    throw new RmbgError('INPUT_CORRUPT', `The picture is damaged or cut off (${reason(cause as Error)}).`, {
      hint: 'Export or download it again.',
      cause,
    })
  }
}

/**
 * The picture as a model sees it: stretched to the model's size (RMBG-2.0 was shown stretched pictures), bilinear
 * with antialiasing as in PIL and torchvision. What is transparent is white: the colour stored under it is
 * arbitrary, and a subject on white is what models know best.
 *
 * @returns interleaved 8-bit RGB, width * height * 3 bytes, on an ArrayBuffer of its own
 */
export async function toModelInput(
  image: DecodedImage,
  size: { width: number; height: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const rgb = await fromRaw(image.data, image)
    .flatten({ background: '#fff' })
    .resize({ ...size, fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer()
  return new Uint8Array(rgb)
}

/** Pixels in memory as the start of a pipeline. */
export function fromRaw(
  data: Uint8Array,
  { width, height, channels }: { width: number; height: number; channels: 1 | 3 | 4 },
): Sharp {
  return sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
}

/** libvips' words, cut to their first line without the name of its function. */
function reason(cause: Error): string {
  const line = cause.message.split('\n')[0]!
  return line.replace(/^(Input buffer |Input file |[\w]+: )+/, '').trim()
}
