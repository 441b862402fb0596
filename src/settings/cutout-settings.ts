import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import toColor from 'color'
import { z } from 'zod'
import { fits, type Padding } from '../cutout/layout.ts'
import {
  type Background,
  type CutoutRecipe,
  cutoutFormats,
  type EncodeOptions,
  formats,
} from '../cutout/options.ts'
import { RmbgError } from '../errors.ts'
import { byteSize, flag, text } from './values.ts'

const pixels = /^\d{1,5}$/

/** `2000x1500`, `2000x` or `x1500`. */
const size = text.transform((value, context) => {
  const [width = '', height = '', more] = value.toLowerCase().split('x')
  const side = (given: string) => (given === '' ? undefined : Number(given))
  const isUsable =
    more === undefined &&
    value.includes('x') &&
    `${width}${height}` !== '' &&
    [width, height].every((given) => given === '' || (pixels.test(given) && Number(given) > 0))
  if (isUsable) return { width: side(width), height: side(height) }
  context.addIssue({ code: 'custom', message: 'expected WxH in pixels, such as 2000x2000, 2000x or x2000' })
  return z.NEVER
})

/** `20px`, `20` or `5%`. */
const padding = z.union([z.number(), text]).transform((value, context): Padding => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(px|%)?$/.exec(String(value)) ?? []
  if (unit === '%' && Number(number) < 50) return { share: Number(number) / 100 }
  if (number !== undefined && unit !== '%' && pixels.test(number)) return { pixels: Number(number) }
  context.addIssue({ code: 'custom', message: 'expected pixels such as 40px, or a share below 50%' })
  return z.NEVER
})

type Shadow = NonNullable<EncodeOptions['shadow']>

/** As a picture of a product on a table has it. */
const softShadow: Shadow = { x: 0, y: 0.015, blur: 0.015, strength: 0.4 }
const length = /^(-?\d{1,2}(?:\.\d+)?)%$/

/** `soft`, `none`, or `X Y BLUR STRENGTH` in percent, such as `1% 2% 2% 40%`. */
const shadow = text.transform((value, context): Shadow | 'none' => {
  if (value === 'none') return 'none'
  if (value === 'soft') return softShadow
  const parts = value.trim().split(/\s+/)
  const [x, y, blur] = parts.map((part) => Number(length.exec(part)?.[1]) / 100)
  const strength = Number(/^(\d{1,3})%$/.exec(parts[3] ?? '')?.[1]) / 100
  if (parts.length === 4 && x! < 1 && y! < 1 && blur! >= 0 && strength > 0 && strength <= 1)
    return { x: x!, y: y!, blur: blur!, strength }
  context.addIssue({
    code: 'custom',
    message: 'expected soft, none, or right, down, blur and strength such as "1% 2% 2% 40%"',
  })
  return z.NEVER
})

/** The settings of the cut-out: settings of the program, which a preset may give too. */
export const cutoutSettings = {
  format: { env: 'RMBG_FORMAT', schema: z.enum(cutoutFormats) },
  quality: { env: 'RMBG_QUALITY', schema: z.coerce.number().int().min(1).max(100) },
  maxBytes: { env: 'RMBG_MAX_BYTES', schema: byteSize },
  background: { env: 'RMBG_BACKGROUND', schema: text },
  shadow: { env: 'RMBG_SHADOW', schema: shadow },
  trim: { env: 'RMBG_TRIM', schema: flag },
  padding: { env: 'RMBG_PADDING', schema: padding },
  size: { env: 'RMBG_SIZE', schema: size },
  fit: { env: 'RMBG_FIT', schema: z.enum(fits) },
  icc: { env: 'RMBG_ICC', schema: z.enum(['srgb', 'keep']) },
  keepMetadata: { env: 'RMBG_KEEP_METADATA', schema: flag },
  refine: { env: 'RMBG_REFINE', schema: flag },
  keepHiddenColor: { env: 'RMBG_KEEP_HIDDEN_COLOR', schema: flag },
} as const

/** What somebody set; what nobody set is absent. */
export type GivenCutout = {
  [Name in keyof typeof cutoutSettings]?: z.infer<(typeof cutoutSettings)[Name]['schema']> | undefined
}

/** How the batch makes cut-outs, and how a job's `params` record it. */
export interface ResolvedCutout {
  options: Omit<CutoutRecipe, 'depth' | 'rules'>
  params: Record<string, unknown>
  /** Of the file's name, without a dot. */
  extension: string
}

/**
 * Fills in what nobody set, and reads the background.
 *
 * @throws RmbgError USAGE for settings that contradict each other, or a background that is neither color nor picture
 */
export async function resolveCutout(given: GivenCutout): Promise<ResolvedCutout> {
  const {
    format = 'png',
    quality,
    maxBytes,
    size: canvas,
    fit = 'contain',
    icc = 'srgb',
    refine = true,
  } = given
  const { trim = false, keepMetadata = false, keepHiddenColor = false, padding = { pixels: 0 } } = given
  assertConsistent({ ...given, format })
  const background = await readBackground(given.background)
  const shadow = given.shadow === 'none' ? undefined : given.shadow
  if (icc === 'keep' && background && 'picture' in background.options) {
    throw new RmbgError('USAGE', '--icc keep cannot be used with a background picture.', {
      hint: 'The background has a color profile of its own. Use --icc srgb, which converts both.',
    })
  }
  const layout = { trim, padding, size: canvas, fit }
  const file = { format, quality, maxBytes, background: background?.options, shadow, keepMetadata }
  return {
    extension: formats[format].extension,
    options: { ...layout, ...file, keepProfile: icc === 'keep', refine, keepHiddenColor },
    params: {
      format,
      ...(formats[format].lossy && { quality: quality ?? formats[format].defaultQuality }),
      ...(maxBytes !== undefined && { maxBytes }),
      ...(background && { background: background.param }),
      ...(shadow && { shadow }),
      ...(trim && { trim }),
      ...(given.padding !== undefined && { padding }),
      ...(canvas && { size: canvas, fit }),
      ...(icc !== 'srgb' && { icc }),
      ...(keepMetadata && { keepMetadata }),
      refine,
      keepHiddenColor,
    },
  }
}

/** @throws RmbgError USAGE for settings that contradict each other */
function assertConsistent({
  format,
  quality,
  fit,
  size: canvas,
  padding,
}: GivenCutout & Pick<EncodeOptions, 'format'>): void {
  if (!formats[format].lossy && quality !== undefined) {
    throw new RmbgError('USAGE', `--quality has no meaning for ${format.toUpperCase()}, which is lossless.`, {
      hint: 'Leave it out, or use --format webp, avif or jpeg.',
    })
  }
  if (fit !== undefined && !canvas) {
    throw new RmbgError('USAGE', '--fit needs a --size to fit into.')
  }
  if (!canvas || !padding || 'share' in padding) return
  const { width = Number.POSITIVE_INFINITY, height = Number.POSITIVE_INFINITY } = canvas
  const shortest = Math.min(width, height)
  if (2 * padding.pixels >= shortest) {
    throw new RmbgError(
      'USAGE',
      `A padding of ${padding.pixels} pixels leaves no room in ${shortest} pixels.`,
    )
  }
}

/**
 * Reads a background picture once for the whole run, so that every image gets the bytes that the rows' digest names,
 * even if the file changes meanwhile.
 *
 * @throws RmbgError USAGE
 */
async function readBackground(
  value: string | undefined,
): Promise<{ options: Background; param: string | { sha256: string } } | undefined> {
  if (value === undefined || value === 'none') return undefined
  const color = parseColor(value)
  if (color) return { options: { color }, param: `#${Buffer.from(color).toString('hex')}` }
  const bytes = await readFile(resolve(value)).catch((cause) => {
    throw new RmbgError(
      'USAGE',
      `The background "${value}" is neither a color nor a file that can be read.`,
      {
        hint: "Use a CSS color such as white or '#f5f5f5' (quote the #), or none for transparent.",
        cause,
      },
    )
  })
  const { readHeader } = await import('../cutout/codec/header.ts')
  await readHeader(bytes, { maxPixels: Number.POSITIVE_INFINITY, allowSvg: false }).catch((cause: Error) => {
    throw new RmbgError('USAGE', `The background ${value} is not a picture: ${cause.message}`, { cause })
  })
  // Shared with the threads that make the cut-outs, rather than copied to them with every image.
  const picture = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  picture.set(bytes)
  return { options: { picture }, param: { sha256: createHash('sha256').update(bytes).digest('hex') } }
}

/** sRGB 0..255 of a CSS color; undefined for one that is transparent, and for any other text. */
export function parseColor(value: string): [number, number, number] | undefined {
  try {
    const parsed = toColor(value)
    return parsed.alpha() === 1 ? (parsed.rgb().round().array() as [number, number, number]) : undefined
  } catch {
    return undefined
  }
}
