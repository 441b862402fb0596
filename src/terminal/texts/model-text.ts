import stringWidth from 'string-width'
import { sizeText } from '../../bytes.ts'
import type { ListedModel } from '../../model/shelf/list.ts'
import { printable } from '../printable.ts'
import { wrapped } from '../table.ts'

/**
 * A line for each model, and one more where it says what it is. What does not fit beside it goes below, indented.
 *
 * @param columns of the terminal; infinite where nothing needs to fit
 */
export function modelListText(models: readonly ListedModel[], columns: number): string {
  // One long path must not push all others aside.
  const widest = Math.max(...models.map(({ name }) => stringWidth(name)).filter((width) => width <= 24))
  const indent = ' '.repeat(4)
  return models
    .flatMap(({ name, state, size, license, summary, tuned }) => {
      const shown = printable(name)
      const room = ' '.repeat(Math.max(widest - stringWidth(shown), 0))
      const head = `${shown}${room}  ${state.padEnd(10)}  ${sizeText(size).padStart(6)}`
      const line = `${head}  ${printable(license)}`
      const first = stringWidth(line) <= columns ? [line] : [head, `${indent}${printable(license)}`]
      const lines = summary === undefined ? [] : wrapped(summary, columns - indent.length)
      const tuning = tuned === undefined ? [] : wrapped(tunedText(tuned), columns - indent.length)
      return [...first, ...[...lines, ...tuning].map((text) => `${indent}${text}`)]
    })
    .join('\n')
}

const tunedText = ({ chosen, prefer, measuredAt }: NonNullable<ListedModel['tuned']>): string =>
  `Tuned on ${measuredAt.slice(0, 10)} (--prefer ${prefer}): ${chosen}.`
