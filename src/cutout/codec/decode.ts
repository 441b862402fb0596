import sharp, { type Metadata, type Sharp } from 'sharp'
import { RmbgError } from '../../errors.ts'
import type { Picture } from '../picture.ts'
import { decodeBmp, readBmpHeader } from './bmp.ts'
import { heicToPng } from './heic.ts'
import { withEnds } from './jpeg-end.ts'
import { jxlToPng } from './jxl.ts'
import { type JxlHeader, jxlMetadata, readJxlHeader } from './jxl-header.ts'
import { openOptions, reason } from './libvips.ts'
import { colorsOf, type Pixels, takeChannels, toPixels } from './raw.ts'
import { type ExtraChannels, extraChannels, unreadableTiff } from './tiff-channels.ts'
import { readTiffTags } from './tiff-tags.ts'
import { hasWideNumbers, inSixteenBits } from './wide-tiff.ts'

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

/**
 * Decodes a picture completely or not at all. Applies the orientation, converts color profiles (and CMYK, grey) to
 * sRGB unless `keepProfile`, and takes the first frame of animations and the first page of documents. Channels of a
 * TIFF that are neither color nor transparency are left out.
 *
 * @param found in the header of these very bytes; read again where it is not given
 * @throws RmbgError INPUT_CORRUPT when data is missing or damaged, instead of returning a picture that is half grey;
 *   INPUT_UNSUPPORTED for a TIFF of a kind that would get wrong colors
 */
export async function decode(
  bytes: Uint8Array,
  options: DecodeOptions = { depth: 8, keepProfile: false },
  found?: Metadata,
): Promise<DecodedImage> {
  const bmp = await readBmpHeader(bytes)
  if (bmp) return { ...(await decodeBmp(bytes, bmp)), metadata: {} }
  const jxl = await readJxlHeader(bytes)
  if (jxl) return decodeJxl(bytes, jxl, options)
  const tags = await readTiffTags(bytes)
  const refusal = tags && unreadableTiff(tags)
  if (refusal) throw refusal
  const extra = tags && extraChannels(tags)
  try {
    return await decodeAs(bytes, { ...options, extra, failOn: 'error' }, found)
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    const whole = await decodeWithoutEnd(bytes, options).catch(() => undefined)
    if (whole) return whole
    throw damaged(cause)
  }
}

const damaged = (cause: unknown): RmbgError =>
  new RmbgError('INPUT_CORRUPT', `The picture is damaged or cut off${reason(cause as Error)}.`, {
    hint: 'Export or download it again.',
    cause,
  })

async function decodeJxl(
  bytes: Uint8Array,
  header: JxlHeader,
  options: DecodeOptions,
): Promise<DecodedImage> {
  try {
    const image = await decodeAs(await jxlToPng(bytes, header), { ...options, failOn: 'error' })
    return { ...image, metadata: await jxlMetadata(bytes) }
  } catch (cause) {
    throw cause instanceof RmbgError ? cause : damaged(cause)
  }
}

/** @returns undefined when more than the end marker of a JPEG is missing */
async function decodeWithoutEnd(
  bytes: Uint8Array,
  options: DecodeOptions,
): Promise<DecodedImage | undefined> {
  const [ended, ...probes] = withEnds(bytes)
  if (!ended) return undefined
  const image = await decodeAs(ended, { ...options, failOn: 'warning' })
  for (const probe of probes) {
    const { data } = await decodeAs(probe, { ...options, failOn: 'error' })
    if (!data.every((sample, index) => sample === image.data[index])) return undefined
  }
  return image
}

interface Decoding extends DecodeOptions {
  /** Of a TIFF. */
  extra?: ExtraChannels | undefined
  failOn: 'error' | 'warning'
}

async function decodeAs(bytes: Uint8Array, decoding: Decoding, header?: Metadata): Promise<DecodedImage> {
  const { depth, keepProfile, extra, failOn } = decoding
  const open = { ...openOptions, failOn }
  const found = header ?? (await sharp(bytes, open).metadata())
  const { icc, space } = found
  const metadata = { exif: found.exif, xmp: found.xmp }
  if (found.format === 'heif' && found.compression === 'hevc') {
    const png = await heicToPng(bytes, found)
    return { ...(await decodeAs(png, { depth, keepProfile, failOn })), metadata }
  }
  if (extra && hasWideNumbers(found)) {
    const narrow = await inSixteenBits(bytes, found, extra)
    return { ...(await decodeAs(narrow, { depth, keepProfile, failOn })), metadata }
  }
  const kept = keepProfile && icc !== undefined && (space === 'srgb' || space === 'rgb16')
  const start = () => {
    // Floating-point numbers with a usable profile are no longer here.
    const ignoreIcc = kept || found.depth === 'float'
    const upright = sharp(bytes, { ...open, ignoreIcc }).autoOrient()
    return extra && extra.alpha === undefined ? upright.removeAlpha() : upright
  }
  const pixels =
    (await greyByProfile(start, found, depth)) ?? (await toPixels(inSrgb(start(), found, kept, depth), depth))
  const { width, height, channels, data } = withoutOtherChannels(pixels, extra)
  if (channels !== 3 && channels !== 4) {
    throw new RmbgError('INPUT_UNSUPPORTED', `The picture has ${channels} channels instead of 3 or 4.`)
  }
  return { data, width, height, channels, profile: kept ? icc : undefined, metadata }
}

/** sharp converts 16-bit pictures with a profile to P3, unless it is asked for sRGB explicitly. */
function inSrgb(image: Sharp, { space, icc }: Metadata, kept: boolean, depth: 8 | 16): Sharp {
  const converted =
    space === 'rgb16' && icc && !kept ? image.withIccProfile('srgb', { attach: false }) : image
  return converted.toColourspace(depth === 16 ? 'rgb16' : 'srgb')
}

/**
 * sharp ignores the profile of 16-bit grey, unless it is asked for sRGB explicitly and the picture is still grey then.
 *
 * @returns undefined for other pictures, and for a profile that libvips cannot use
 */
async function greyByProfile(
  start: () => Sharp,
  { space, icc }: Metadata,
  depth: 8 | 16,
): Promise<Pixels | undefined> {
  if (space !== 'grey16' || !icc || colorsOf(icc) !== 'GRAY') return undefined
  const grey = start().toColourspace(depth === 16 ? 'grey16' : 'b-w')
  const pixels = await toPixels(grey.withIccProfile('srgb', { attach: false }), depth)
  return pixels.channels < 3 ? undefined : pixels
}

/** Keeps the three colors and the channel that is alpha, where a TIFF has further ones beside it. */
function withoutOtherChannels(pixels: Pixels, extra: ExtraChannels | undefined): Pixels {
  if (extra?.alpha === undefined || extra.count < 2) return pixels
  const wanted = [0, 1, 2, pixels.channels - extra.count + extra.alpha]
  return { ...pixels, data: takeChannels(pixels.data, pixels.channels, wanted), channels: wanted.length }
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
