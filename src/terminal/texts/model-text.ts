import stringWidth from 'string-width'
import { sizeText } from '../../bytes.ts'
import type { ListedModel } from '../../model/shelf/list.ts'
import { printable } from '../printable.ts'

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
    .flatMap(({ name, state, size, license, summary }) => {
      const shown = printable(name)
      const room = ' '.repeat(Math.max(widest - stringWidth(shown), 0))
      const head = `${shown}${room}  ${state.padEnd(10)}  ${sizeText(size).padStart(6)}`
      const line = `${head}  ${printable(license)}`
      const first = stringWidth(line) <= columns ? [line] : [head, `${indent}${printable(license)}`]
      const lines = summary === undefined ? [] : wrapped(summary, columns - indent.length)
      return [...first, ...lines.map((text) => `${indent}${text}`)]
    })
    .join('\n')
}

/** Lines of whole words; a word that is longer than a line has one of its own. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && stringWidth(longer) > columns) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}
