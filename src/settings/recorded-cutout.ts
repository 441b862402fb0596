/** The settings of a cut-out as its job has recorded them, to make it again. */
import { z } from 'zod'
import { fits } from '../cutout/layout.ts'
import { RmbgError } from '../errors.ts'
import { cutoutSettings, type GivenCutout, parseColor, resolveCutout } from './cutout-settings.ts'
import { loadPreset, parsedCutout, withRules } from './presets.ts'

/** As `params` of a job holds them; of what else is in there, nothing is read. */
const recordedSchema = z.object({
  format: cutoutSettings.format.schema.optional(),
  quality: z.number().optional(),
  maxBytes: z.number().optional(),
  background: z.union([z.string(), z.object({ sha256: z.string() })]).optional(),
  shadow: z.object({ x: z.number(), y: z.number(), blur: z.number(), strength: z.number() }).optional(),
  trim: z.boolean().optional(),
  padding: z.union([z.object({ pixels: z.number() }), z.object({ share: z.number() })]).optional(),
  size: z.object({ width: z.number().optional(), height: z.number().optional() }).optional(),
  fit: z.enum(fits).optional(),
  icc: z.enum(['srgb', 'keep']).optional(),
  keepMetadata: z.boolean().optional(),
  refine: z.boolean().optional(),
  keepHiddenColor: z.boolean().optional(),
  rules: z.object({ preset: z.string(), sha256: z.string() }).optional(),
})

export interface RecordedCutout {
  given: GivenCutout
  /** The preset that it was checked by. */
  rules: { preset: string; sha256: string } | undefined
  /** It stood on a picture, of which only the digest is recorded. */
  lacksBackground: boolean
}

/** What somebody would have to set to get the same cut-out again. */
export function recordedCutout(params: unknown): RecordedCutout {
  const parsed = recordedSchema.safeParse(params ?? {})
  if (!parsed.success) return { given: {}, rules: undefined, lacksBackground: false }
  const { background, rules, ...given } = parsed.data
  return {
    given: { ...given, ...(typeof background === 'string' && { background }) } as GivenCutout,
    rules,
    lacksBackground: typeof background === 'object',
  }
}

const percent = (share: number): string => `${Math.round(share * 1e4) / 100}%`

/** Settings as a person would type them; empty where nobody set one. */
export function typedCutout(
  given: GivenCutout,
): Record<'background' | 'shadow' | 'trim' | 'padding' | 'size' | 'refine', string> {
  const { background, shadow, trim, padding, size, refine } = given
  return {
    background: background ?? '',
    shadow:
      shadow === undefined || shadow === 'none'
        ? ''
        : [shadow.x, shadow.y, shadow.blur, shadow.strength].map(percent).join(' '),
    trim: trim ? 'true' : '',
    padding: padding === undefined ? '' : 'share' in padding ? percent(padding.share) : `${padding.pixels}px`,
    size: size ? `${size.width ?? ''}x${size.height ?? ''}` : '',
    refine: refine === false ? 'false' : '',
  }
}

/** Settings that a cut-out can be made again with, as typed texts. An empty one takes a setting back. */
export type CutoutChanges = Partial<ReturnType<typeof typedCutout>>

/**
 * The recipe of a recorded cut-out, with changes. A preset's rules stay, where it is still known by its name.
 *
 * @throws RmbgError USAGE naming the setting; also for a background that was a picture, of which only the digest is known
 */
export async function recipeAgain(params: unknown, changes: CutoutChanges) {
  const { given, rules, lacksBackground } = recordedCutout(params)
  const { background } = changes
  if (lacksBackground && background === undefined) {
    throw new RmbgError('USAGE', 'This cut-out stood on a picture, which the log does not keep.', {
      hint: 'Choose a color as its background, or none.',
    })
  }
  // Pages name no file of this machine.
  if (background !== undefined && !['', 'none'].includes(background) && !parseColor(background))
    throw new RmbgError('USAGE', 'The background is a CSS color, or none.')
  const set = Object.entries(changes).filter(([, text]) => text !== '')
  const unset = Object.entries(changes).flatMap(([name, text]) => (text === '' ? [[name, undefined]] : []))
  const merged: GivenCutout = {
    ...given,
    ...Object.fromEntries(unset),
    ...parsedCutout(Object.fromEntries(set)),
  }
  const cutout = merged.size ? merged : { ...merged, fit: undefined }
  const preset = rules && (await loadPreset(rules.preset).catch(() => undefined))
  return withRules(await resolveCutout(cutout), preset)
}
