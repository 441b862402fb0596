import type { Finding, FindingLevel } from '../../doctor/finding.ts'
import { outputColors as colors } from '../colors.ts'
import { printable } from '../printable.ts'
import { wrapped } from '../table.ts'

const shown: Record<FindingLevel, string> = {
  ok: colors.green('OK  '),
  warn: colors.yellow('WARN'),
  crit: colors.red('FAIL'),
}

/** Columns before the sentences: the level, and the widest name. */
const indent = ' '.repeat(16)

/**
 * A finding after the other, with what to do below it.
 *
 * @param columns of the terminal; infinite where nothing needs to fit
 */
export function doctorText(findings: readonly Finding[], columns: number): string {
  return findings
    .flatMap(({ name, level, summary, remedy }) => {
      const room = columns - indent.length
      const [first = '', ...rest] = wrapped(printable(summary), room)
      const advice = remedy === undefined ? [] : wrapped(`-> ${printable(remedy)}`, room)
      return [
        `${shown[level]}  ${name.padEnd(8)}  ${first}`,
        ...[...rest, ...advice].map((line) => indent + line),
      ]
    })
    .join('\n')
}
