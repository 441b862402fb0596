import sharp, { type Sharp } from 'sharp'
import { RmbgError } from '../../errors.ts'
import { isIdentity, type Layout, planLayout } from '../layout.ts'
import { type Background, type CutoutFormat, type EncodeOptions, formats } from '../options.ts'
import type { Box, Samples } from '../picture.ts'
import type { CompositeOptions, CutoutPixels, CutoutRows } from '../pixels/composite.ts'
import { pngRows } from '../pixels/png.ts'
import type { Shadow } from '../pixels/shadow.ts'
import { readBmpHeader } from './bmp.ts'
import { type DecodedImage, decode } from './decode.ts'
import { metadataToKeep, withMetadata } from './metadata.ts'
import { chunksBeforePixels, pngFile } from './png.ts'
import { fromRaw, inProfile, samples, toPixels } from './raw.ts'
import { withShadow } from './shadow.ts'
import { readTiffTags } from './tiff-tags.ts'

/** A finished file. */
export interface EncodedImage {
  bytes: Uint8Array
  extension: string
  contentType: string
  width: number
  height: number
}

export interface EncodedCutout extends EncodedImage {
  /** Enlargement of the photo: 1 for none, below 1 when it was reduced. */
  scale: number
}

/** Limit for a canvas, because file size and memory grow with it. */
const mostPixels = 2 ** 28

/** `maxBytes` never lowers the quality below this, because products look broken then. */
const lowestQuality = 30

type Encoder = (image: Sharp, quality: { quality?: number }, exact: boolean) => Sharp

const encoders: Record<Exclude<CutoutFormat, 'png'>, Encoder> = {
  webp: (image, quality, exact) => image.webp({ ...quality, exact, smartSubsample: true }),
  avif: (image, quality) => image.avif({ ...quality, chromaSubsampling: '4:4:4' }),
  tiff: (image) => image.tiff({ compression: 'deflate', predictor: 'horizontal' }),
  // Products have sharp colored edges, which half the color resolution would smear.
  jpeg: (image, quality) => image.jpeg({ ...quality, chromaSubsampling: '4:4:4', mozjpeg: true }),
}

/** Bits per sample to work with: 16 when the file has them and the format can hold them. */
export function workingDepth(bitDepth: number, { format }: Pick<EncodeOptions, 'format'>): 8 | 16 {
  return bitDepth === 16 && (format === 'png' || format === 'tiff') ? 16 : 8
}

/** Encodes the alpha matte as an 8-bit grey PNG of the picture's size. */
export async function encodeMask(cutout: CutoutPixels | CutoutRows): Promise<EncodedImage> {
  const { width, height } = cutout
  const image = { width, height, channels: 1, depth: 8 } as const
  const rows = 'mask' in cutout ? pngRows(cutout.mask, image) : cutout.maskRows
  const bytes = pngFile(image, rows)
  return { bytes, extension: 'png', contentType: 'image/png', width, height }
}

/**
 * Encodes the cut-out: laid out, and on its background if it has one, otherwise with straight alpha.
 *
 * @param source profile and metadata of the original picture
 * @throws RmbgError OUTPUT_TOO_LARGE
 */
export async function encodeCutout(
  cutout: CutoutPixels | CutoutRows,
  source: Pick<DecodedImage, 'profile' | 'metadata'>,
  options: CutoutOptions,
): Promise<EncodedCutout> {
  const format = formats[options.format]
  const layout = planLayout(cutout, cutout.subject, options)
  const { width, height } = layout.canvas
  if (width * height > mostPixels) {
    throw new RmbgError('OUTPUT_TOO_LARGE', `The cut-out would have ${width}x${height} pixels.`, {
      hint: 'Use a smaller --size, or less --padding.',
    })
  }
  if (Math.max(width, height) > format.longestSide) {
    throw new RmbgError(
      'OUTPUT_TOO_LARGE',
      `The cut-out has ${width}x${height} pixels, and ${options.format.toUpperCase()} holds at most ${format.longestSide} a side.`,
      { hint: 'Use --size, or --format png.' },
    )
  }
  const wanted = format.lossy ? (options.quality ?? format.defaultQuality) : undefined
  const bytes = await withinBytes(await encoding(cutout, layout, source, options), wanted, options.maxBytes)
  return {
    bytes,
    extension: format.extension,
    contentType: `image/${options.format}`,
    width,
    height,
    scale: Math.max(layout.drawn.width / layout.region.width, layout.drawn.height / layout.region.height),
  }
}

type CutoutOptions = EncodeOptions & Partial<Pick<CompositeOptions, 'keepHiddenColor'>>

/** Encodes with a quality, if the format has one. */
type Encode = (quality: number | undefined) => Promise<Uint8Array>

async function encoding(
  cutout: CutoutPixels | CutoutRows,
  layout: Layout,
  { profile, metadata }: Pick<DecodedImage, 'profile' | 'metadata'>,
  options: CutoutOptions,
): Promise<Encode> {
  const { format, keepMetadata, keepHiddenColor = false } = options
  const kept = await metadataToKeep(metadata, { keepAll: keepMetadata })
  if ('rgbaRows' in cutout) {
    const file = pngFile({ ...cutout, channels: 4 }, cutout.rgbaRows, await chunksBeforePixels(kept, profile))
    return async () => file
  }
  const background = options.background ?? (format === 'jpeg' ? white : undefined)
  const [placed, place] = options.shadow ? await shaded(cutout, layout, options.shadow) : [cutout, layout]
  if (format === 'png') {
    const draw = await drawing(placed, place, background, undefined)
    const depth = placed.rgba instanceof Uint16Array ? 16 : 8
    const { data, channels, ...size } = await toPixels(draw(), depth)
    const image = { ...size, channels: channels === 4 ? 4 : 3, depth } as const
    const file = pngFile(image, pngRows(data, image), await chunksBeforePixels(kept, profile))
    return async () => file
  }
  const draw = await drawing(placed, place, background, profile)
  return (value) => {
    const quality = value ? { quality: value } : {}
    return withMetadata(encoders[format](draw(), quality, keepHiddenColor), kept).toBuffer()
  }
}

type Canvas = Pick<CutoutPixels, 'rgba' | 'width' | 'height'>

/** The whole canvas with the shadow on it, which needs no placing any more. */
async function shaded(cutout: CutoutPixels, layout: Layout, shadow: Shadow): Promise<[Canvas, Layout]> {
  const { canvas, drawn, region } = layout
  const { width, height } = cutout.subject ?? region
  const length = Math.max((width * drawn.width) / region.width, (height * drawn.height) / region.height)
  const deep = cutout.rgba instanceof Uint16Array
  const image = (await drawing(cutout, layout, undefined, undefined))()
  const pixels = samples(await image.raw({ depth: deep ? 'ushort' : 'uchar' }).toBuffer(), deep ? 16 : 8)
  const rgba = await withShadow(pixels, canvas, length, shadow)
  const whole = { left: 0, top: 0, ...canvas }
  return [
    { rgba, ...canvas },
    { region: whole, drawn: whole, canvas },
  ]
}

const white: Background = { color: [255, 255, 255] }

/**
 * Starts a new pipeline for each quality that is tried. sharp's clone() would copy the pixels, which takes a quarter of
 * the time of a PNG. Whatever all qualities share is computed once, before.
 */
type Draw = () => Sharp

async function drawing(
  { rgba, width, height }: Canvas,
  layout: Layout,
  background: Background | undefined,
  profile: Buffer | undefined,
): Promise<Draw> {
  const { region, drawn } = layout
  const deep = rgba instanceof Uint16Array
  const place: Draw = () => {
    const pixels = fromRaw(rgba, { width, height, channels: 4 })
    return isIdentity(layout)
      ? pixels
      : pixels.extract(region).resize(drawn.width, drawn.height, { fit: 'fill' })
  }
  const space = deep ? 'rgb16' : 'srgb'
  const placed = await onto(background, place, layout, deep)
  const draw: Draw = () => placed().toColourspace(space)
  if (!profile) return draw
  const file = await inProfile(draw(), profile)
  return () => sharp(file, { limitInputPixels: false }).keepIccProfile().toColourspace(space)
}

/** Puts the cut-out on its canvas: clear, of one color, or covered by a picture (8 bits). */
async function onto(
  background: Background | undefined,
  place: Draw,
  { drawn, canvas }: Layout,
  deep: boolean,
): Promise<Draw> {
  const { left, top } = drawn
  const margins = {
    left,
    top,
    right: canvas.width - left - drawn.width,
    bottom: canvas.height - top - drawn.height,
  }
  if (background === undefined) return () => place().extend({ ...margins, background: clear })
  if ('color' in background && !deep) {
    const [r, g, b] = background.color
    return () =>
      place()
        .flatten({ background: { r, g, b } })
        .extend({ ...margins, background: { r, g, b } })
  }
  if ('color' in background) {
    const pixels = await place().toColourspace('rgb16').raw({ depth: 'ushort' }).toBuffer()
    const onColor = ontoColor(samples(pixels, 16), drawn, canvas, background.color)
    return () => fromRaw(onColor, { ...canvas, channels: 3 })
  }
  const input = await place().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer()
  const load = await backgroundLoader(background.picture)
  return () =>
    load()
      .flatten({ background: '#fff' })
      .resize(canvas.width, canvas.height, { fit: 'cover' })
      .toColourspace('srgb')
      .composite([{ input, raw: { width: drawn.width, height: drawn.height, channels: 4 }, left, top }])
      .removeAlpha()
}

/** libvips alone is quick with most, because it shrinks a JPEG while it loads. Others need the care of `decode`. */
async function backgroundLoader(picture: Uint8Array): Promise<Draw> {
  if (await isLeftToLibvips(picture)) return () => sharp(picture, { limitInputPixels: false }).autoOrient()
  const decoded = await decode(picture)
  return () => fromRaw(decoded.data, decoded)
}

async function isLeftToLibvips(picture: Uint8Array): Promise<boolean> {
  if ((await readTiffTags(picture)) || (await readBmpHeader(picture))) return false
  return (await sharp(picture, { limitInputPixels: false }).metadata()).compression !== 'hevc'
}

const clear = { r: 0, g: 0, b: 0, alpha: 0 }

/** For 16 bits, which sharp would composite in 8, and flatten onto 65280 instead of 65535. */
function ontoColor(
  rgba: Samples,
  drawn: Box,
  canvas: { width: number; height: number },
  color: readonly number[],
): Uint16Array {
  const ground = color.map((value) => value * 257)
  const result = new Uint16Array(canvas.width * canvas.height * 3)
  for (let at = 0; at < result.length; at++) result[at] = ground[at % 3]!
  for (let y = 0, from = 0; y < drawn.height; y++) {
    let into = ((drawn.top + y) * canvas.width + drawn.left) * 3
    for (let x = 0; x < drawn.width; x++, from += 4, into += 3) {
      const alpha = rgba[from + 3]! / 65535
      for (let c = 0; c < 3; c++) result[into + c] = ground[c]! + (rgba[from + c]! - ground[c]!) * alpha + 0.5
    }
  }
  return result
}

/** Finds, by bisection, the best quality whose file is small enough. */
async function withinBytes(
  encode: Encode,
  wanted: number | undefined,
  maxBytes: number | undefined,
): Promise<Uint8Array> {
  let best = await encode(wanted)
  if (maxBytes === undefined || best.byteLength <= maxBytes) return best
  const smallest = wanted === undefined ? best : await encode(lowestQuality)
  if (smallest.byteLength > maxBytes) {
    // To the byte: both may read alike in KB.
    const [needed, allowed] = [smallest.byteLength, maxBytes].map((bytes) => bytes.toLocaleString('en'))
    throw new RmbgError(
      'OUTPUT_TOO_LARGE',
      `The cut-out needs ${needed} bytes, more than the ${allowed} allowed.`,
      { hint: 'Use a smaller --size, or a format that compresses more.' },
    )
  }
  best = smallest
  for (let [low, high] = [lowestQuality, wanted!]; high - low > 2; ) {
    const middle = Math.floor((low + high) / 2)
    const bytes = await encode(middle)
    if (bytes.byteLength <= maxBytes) [best, low] = [bytes, middle]
    else high = middle
  }
  return best
}
