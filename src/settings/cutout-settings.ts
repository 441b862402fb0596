import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import toColour from 'color'
import { z } from 'zod'
import { fits, type Padding } from '../cutout/layout.ts'
import { type Background, type CutoutOptions, cutoutFormats, formats } from '../cutout/options.ts'
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

/** Settings of the cut-out: as settings of the program, and as what a preset gives. */
export const cutoutSettings = {
  format: { env: 'RMBG_FORMAT', schema: z.enum(cutoutFormats) },
  quality: { env: 'RMBG_QUALITY', schema: z.coerce.number().int().min(1).max(100) },
  maxBytes: { env: 'RMBG_MAX_BYTES', schema: byteSize },
  background: { env: 'RMBG_BACKGROUND', schema: text },
  trim: { env: 'RMBG_TRIM', schema: flag },
  padding: { env: 'RMBG_PADDING', schema: padding },
  size: { env: 'RMBG_SIZE', schema: size },
  fit: { env: 'RMBG_FIT', schema: z.enum(fits) },
  icc: { env: 'RMBG_ICC', schema: z.enum(['srgb', 'keep']) },
  keepMetadata: { env: 'RMBG_KEEP_METADATA', schema: flag },
  refine: { env: 'RMBG_REFINE', schema: flag },
  keepHiddenColor: { env: 'RMBG_KEEP_HIDDEN_COLOR', schema: flag },
} as const

export type CutoutSettings = {
  [Name in keyof typeof cutoutSettings]?: z.infer<(typeof cutoutSettings)[Name]['schema']> | undefined
}

/** How the batch makes cut-outs, and how that is told in a job's `params`. */
export interface ResolvedCutout {
  options: CutoutOptions & { refine: boolean; keepHiddenColor: boolean; keepProfile: boolean }
  params: Record<string, unknown>
  /** Of the file's name, without a dot. */
  extension: string
}

/**
 * Fills in what nobody set, and looks at the background.
 *
 * @throws RmbgError USAGE for settings that contradict each other, or a background that is neither colour nor picture
 */
export async function resolveCutout(settings: CutoutSettings): Promise<ResolvedCutout> {
  const { format = 'png', quality, maxBytes, size: canvas, icc = 'srgb', refine = true } = settings
  const { trim = false, keepMetadata = false, keepHiddenColor = false } = settings
  const given: Padding = settings.padding ?? { pixels: 0 }
  if (!formats[format].lossy && quality !== undefined) {
    throw new RmbgError(
      'USAGE',
      `--quality has no meaning for ${format.toUpperCase()}, which loses nothing.`,
      {
        hint: 'Leave it out, or use --format webp, avif or jpeg.',
      },
    )
  }
  if (settings.fit !== undefined && !canvas) {
    throw new RmbgError('USAGE', '--fit needs a --size to fit into.')
  }
  if ('pixels' in given && canvas) {
    const shortest = Math.min(
      canvas.width ?? Number.POSITIVE_INFINITY,
      canvas.height ?? Number.POSITIVE_INFINITY,
    )
    if (2 * given.pixels >= shortest) {
      throw new RmbgError(
        'USAGE',
        `A padding of ${given.pixels} pixels leaves no room in ${shortest} pixels.`,
      )
    }
  }
  const background = await readBackground(settings.background)
  if (icc === 'keep' && background && 'file' in background.options) {
    throw new RmbgError(
      'USAGE',
      'A picture as background has a colour profile of its own: --icc keep cannot hold.',
      {
        hint: 'Use --icc srgb, which converts both.',
      },
    )
  }
  const fit = settings.fit ?? 'contain'
  const layout = { trim, padding: given, size: canvas, fit }
  return {
    extension: formats[format].extension,
    options: {
      ...layout,
      format,
      quality,
      maxBytes,
      background: background?.options,
      keepMetadata,
      keepProfile: icc === 'keep',
      refine,
      keepHiddenColor,
    },
    params: {
      format,
      ...(formats[format].lossy && { quality: quality ?? formats[format].defaultQuality }),
      ...(maxBytes !== undefined && { maxBytes }),
      ...(background && { background: background.param }),
      ...(trim && { trim }),
      ...(settings.padding !== undefined && { padding: given }),
      ...(canvas && { size: canvas, fit }),
      ...(icc !== 'srgb' && { icc }),
      ...(keepMetadata && { keepMetadata }),
      refine,
      keepHiddenColor,
    },
  }
}

async function readBackground(
  value: string | undefined,
): Promise<{ options: Background; param: string | { sha256: string } } | undefined> {
  if (value === undefined || value === 'none') return undefined
  const parsed = parseColour(value)
  if (parsed) return { options: { colour: parsed }, param: `#${Buffer.from(parsed).toString('hex')}` }
  const file = resolve(value)
  const bytes = await readFile(file).catch((cause) => {
    throw new RmbgError(
      'USAGE',
      `The background "${value}" is neither a colour nor a file that can be read.`,
      {
        hint: "Colours are CSS's, such as white or '#f5f5f5' (quote the #); none means transparent.",
        cause,
      },
    )
  })
  const { readHeader } = await import('../cutout/codec/decode.ts')
  await readHeader(bytes, { maxPixels: Number.POSITIVE_INFINITY, allowSvg: false }).catch((cause: Error) => {
    throw new RmbgError('USAGE', `The background ${value} is no picture: ${cause.message}`, { cause })
  })
  return { options: { file }, param: { sha256: createHash('sha256').update(bytes).digest('hex') } }
}

/** sRGB 0..255 of a CSS colour that is not transparent. */
export function parseColour(value: string): [number, number, number] | undefined {
  try {
    const parsed = toColour(value)
    return parsed.alpha() === 1 ? (parsed.rgb().round().array() as [number, number, number]) : undefined
  } catch {
    return undefined
  }
}
