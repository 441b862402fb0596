import { type HealthCheck, type HealthLevel, worst } from '../../database/health/contract.ts'
import type { SettingsAdvice } from '../../database/health/index.ts'
import type { Suggestion } from '../../database/health/suggest.ts'
import { outputColors as colors } from '../colors.ts'
import { printable } from '../printable.ts'

const shown: Record<HealthLevel, string> = {
  ok: colors.green('OK     '),
  warn: colors.yellow('WARN   '),
  crit: colors.red('CRIT   '),
  unknown: colors.dim('UNKNOWN'),
}
/** Before a name. */
const levelWidth = 9

/** What nobody could see from here is no reason to wake anybody. */
export const overallLevel = (checks: readonly HealthCheck[]): HealthLevel =>
  worst(checks.filter(({ unseen }) => !unseen).map(({ level }) => level))

/** A line per check, with what to do below those that are not well. */
export function healthText(checks: readonly HealthCheck[]): string {
  const width = Math.max(12, ...checks.map(({ name }) => name.length)) + 2
  const indent = ' '.repeat(levelWidth + width)
  return checks
    .flatMap(({ name, level, summary, details, grant }) => [
      `${shown[level]}  ${name.padEnd(width)}${printable(summary)}`,
      ...(level !== 'ok' ? details.map((detail) => `${indent}${printable(detail)}`) : []),
      ...(grant === undefined ? [] : [`${indent}Shown in full after: ${printable(grant)}`]),
    ])
    .join('\n')
}

/** Lines for postgresql.conf, each with its reason above it. */
export function suggestionText(
  { suggestions, machine }: SettingsAdvice,
  { database, day }: { database: string; day: string },
): string {
  const head = [`# rmbg health --suggest, ${day}, for ${printable(database)}`, `# Its server has ${machine}.`]
  if (suggestions.length === 0) return [...head, '# Its settings fit: nothing is to be changed.'].join('\n')
  return [...head, ...suggestions.flatMap((suggestion) => ['', ...linesOf(suggestion)])].join('\n')
}

function linesOf({ setting, current, value, reason, needsRestart }: Suggestion): string[] {
  const restart = needsRestart ? ' Takes a restart.' : ''
  const why = `# Now ${current}. Recommended: ${reason}.${restart}`
  if (value !== null) return [why, `${setting} = ${value}`]
  return [why, `#${setting} = ... (--server-memory 16GB tells how much)`]
}
