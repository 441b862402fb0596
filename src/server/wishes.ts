/** What a request says in its query, or in the fields of its form. */

import { RmbgError } from '../errors.ts'
import type { BatchOptions } from '../process/contract.ts'
import { cutoutSettings, type GivenCutout, parseColor, resolveCutout } from '../settings/cutout-settings.ts'
import { loadPreset } from '../settings/presets.ts'

export interface Wishes extends Pick<BatchOptions, 'cutout' | 'cutoutParams'> {
  what: 'cutout' | 'mask'
  /** How the log calls the picture. */
  name: string
}

/** What a request may set, besides the settings of the cut-out. */
const others = ['preset', 'result', 'name'] as const
const known: readonly string[] = [...Object.keys(cutoutSettings), ...others]

/**
 * @param given texts by name
 * @param usual the server's own settings, for what a request does not say
 * @throws RmbgError USAGE naming the option
 */
export async function wishesOf(
  given: Readonly<Record<string, string>>,
  usual: GivenCutout & { preset?: string | undefined },
): Promise<Wishes> {
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new RmbgError('USAGE', `There is no option "${unknown}".`, { hint: `Known: ${known.join(', ')}.` })
  const { preset: presetName = usual.preset, result = 'cutout', name = 'upload', ...options } = given
  if (result !== 'cutout' && result !== 'mask')
    throw new RmbgError('USAGE', 'The option "result" is cutout or mask.')
  assertOwnFiles(given)
  const preset = presetName === undefined ? undefined : await loadPreset(presetName)
  const cutout = await resolveCutout({ ...preset?.cutout, ...usual, ...parsed(options) })
  const rules = preset && { preset: preset.name, sha256: preset.checkSha256 }
  return {
    what: result,
    name: nameInLog(name),
    cutout: { ...cutout.options, rules: preset?.check },
    cutoutParams: { ...cutout.params, ...(rules && { rules }) },
  }
}

/** A request names no file of this machine: not as a background, nor as a preset. */
function assertOwnFiles({ background, preset }: Readonly<Record<string, string>>): void {
  if (background !== undefined && background !== 'none' && !parseColor(background))
    throw new RmbgError('USAGE', 'The option "background" is a CSS color, or none.')
  if (preset !== undefined && !/^[\w-]+$/.test(preset))
    throw new RmbgError('USAGE', 'The option "preset" is the name of a preset.')
}

function parsed(options: Record<string, string>): GivenCutout {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => {
      const { schema } = cutoutSettings[name as keyof typeof cutoutSettings]
      const result = schema.safeParse(value)
      if (result.success) return [name, result.data]
      const reason = result.error.issues[0]?.message ?? 'another value is expected'
      throw new RmbgError('USAGE', `The option "${name}" is not usable: ${reason}.`)
    }),
  )
}

const nameInLog = (name: string): string => name.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 200) || 'upload'
