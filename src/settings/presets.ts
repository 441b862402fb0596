import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { PictureRules } from '../cutout/rules.ts'
import { RmbgError } from '../errors.ts'
import {
  cutoutSettings,
  type GivenCutout,
  parseColor,
  type ResolvedCutout,
  resolveCutout,
} from './cutout-settings.ts'
import { byteSize } from './values.ts'

/** What a catalogue asks for: how to make its pictures, and how to tell whether one is acceptable. */
export interface Preset {
  name: string
  title: string
  /** Where the rules are published, and when they were read. */
  rules: { url: string; read: string; note?: string | undefined }
  cutout: GivenCutout
  check: PictureRules
  /** Hex SHA-256 of the check: with other rules, a picture has to be looked at again. */
  checkSha256: string
}

const folder = fileURLToPath(new URL('../../src/settings/presets/', import.meta.url))

const range = z.strictObject({ min: z.number().positive().optional(), max: z.number().positive().optional() })
const color = z
  .string()
  .transform(parseColor)
  .refine((parsed) => parsed !== undefined, 'expected a color such as #ffffff')
const presetSchema = z.strictObject({
  title: z.string(),
  rules: z.strictObject({ url: z.url(), read: z.iso.date(), note: z.string().optional() }),
  cutout: z.strictObject(
    Object.fromEntries(Object.entries(cutoutSettings).map(([name, { schema }]) => [name, schema.optional()])),
  ),
  check: z.strictObject({
    formats: z.array(z.string()).optional(),
    shortestSide: range.optional(),
    longestSide: range.optional(),
    maxPixels: z.number().int().positive().optional(),
    square: z.boolean().optional(),
    background: color.optional(),
    subjectShare: range.optional(),
    whole: z.boolean().optional(),
    notEnlarged: z.boolean().optional(),
    maxBytes: byteSize.optional(),
  }),
})

/**
 * A preset that ships, by name, or one of the user's, by the path of its JSON file.
 *
 * @throws RmbgError USAGE
 */
export async function loadPreset(nameOrFile: string): Promise<Preset> {
  const isFile = /[\\/]|\.json$/i.test(nameOrFile)
  const file = isFile ? resolve(nameOrFile) : resolve(folder, `${nameOrFile}.json`)
  const content = await readFile(file, 'utf8').catch(async (cause) => {
    throw new RmbgError('USAGE', `There is no preset "${nameOrFile}".`, {
      hint: `Known presets: ${(await presetNames()).join(', ')}. Or give the path of a JSON file.`,
      cause,
    })
  })
  let json: unknown
  try {
    json = JSON.parse(content)
  } catch (cause) {
    throw new RmbgError('USAGE', `The preset ${nameOrFile} is not valid JSON.`, { cause })
  }
  const parsed = presetSchema.safeParse(json)
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    throw new RmbgError('USAGE', `The preset ${nameOrFile} is not usable: ${path.join('.')}: ${message}.`)
  }
  const given = parsed.data as Omit<Preset, 'name' | 'checkSha256'>
  const checkSha256 = createHash('sha256').update(JSON.stringify(given.check)).digest('hex')
  return { name: basename(file, '.json'), ...given, checkSha256 }
}

/** Names of the presets that ship. */
export async function presetNames(): Promise<string[]> {
  return (await readdir(folder)).map((file) => basename(file, '.json')).sort()
}

/** A cut-out's making together with a preset's rules, which it is checked by: what a batch works with, and what jobs record. */
export function withRules({ options, params }: ResolvedCutout, preset: Preset | undefined) {
  const rules = preset && { preset: preset.name, sha256: preset.checkSha256 }
  return {
    cutout: { ...options, rules: preset?.check },
    cutoutParams: { ...params, ...(rules && { rules }) },
  }
}

/**
 * What somebody says of one picture, over the settings of all: a request to a server, or a call of the library.
 *
 * @param given by the names of the settings; others are left out
 * @throws RmbgError USAGE naming the option
 */
export async function recipeOf(
  { preset: named, ...given }: Readonly<Record<string, unknown>> & { preset?: string | undefined },
  usual: GivenCutout & { preset?: string | undefined },
) {
  const presetName = named ?? usual.preset
  const preset = presetName === undefined ? undefined : await loadPreset(presetName)
  return withRules(await resolveCutout({ ...preset?.cutout, ...usual, ...parsedCutout(given) }), preset)
}

/**
 * Texts by the names of the settings; others are left out.
 *
 * @throws RmbgError USAGE naming the option
 */
export function parsedCutout(options: Readonly<Record<string, unknown>>): GivenCutout {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([name, value]) => Object.hasOwn(cutoutSettings, name) && value !== undefined)
      .map(([name, value]) => {
        const { schema } = cutoutSettings[name as keyof typeof cutoutSettings]
        const result = schema.safeParse(value)
        if (result.success) return [name, result.data]
        const reason = result.error.issues[0]?.message ?? 'another value is expected'
        throw new RmbgError('USAGE', `The option "${name}" is not usable: ${reason}.`)
      }),
  )
}
