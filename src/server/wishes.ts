/** What a request says in its query, or in the fields of its form. */

import { RmbgError } from '../errors.ts'
import type { BatchOptions } from '../process/contract.ts'
import { cutoutSettings, type GivenCutout, parseColor } from '../settings/cutout-settings.ts'
import { recipeOf } from '../settings/presets.ts'

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
  const { result = 'cutout', name = 'upload', ...options } = given
  if (result !== 'cutout' && result !== 'mask')
    throw new RmbgError('USAGE', 'The option "result" is cutout or mask.')
  assertOwnFiles(given)
  return { what: result, name: nameInLog(name), ...(await recipeOf(options, usual)) }
}

/** A request names no file of this machine: not as a background, nor as a preset. */
function assertOwnFiles({ background, preset }: Readonly<Record<string, string>>): void {
  if (background !== undefined && background !== 'none' && !parseColor(background))
    throw new RmbgError('USAGE', 'The option "background" is a CSS color, or none.')
  if (preset !== undefined && !/^[\w-]+$/.test(preset))
    throw new RmbgError('USAGE', 'The option "preset" is the name of a preset.')
}

const nameInLog = (name: string): string => name.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 200) || 'upload'
