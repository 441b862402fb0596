import stringWidth from 'string-width'
import { printable } from './printable.ts'

export type Cell = string | number | boolean | null | undefined

/** Columns of plain text; figures are aligned to the right. Control characters of the cells are made visible. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = head.map((_, column) =>
    rows.every((row) => row[column] == null || typeof row[column] === 'number'),
  )
  const lines = [
    [...head],
    ...rows.map((row) => head.map((_, column) => printable(String(row[column] ?? '')))),
  ]
  // As wide as a terminal draws it: an emoji or a Chinese character takes two columns.
  const widths = head.map((_, column) =>
    lines.reduce((width, line) => Math.max(width, stringWidth(line[column] ?? '')), 0),
  )
  return lines
    .map((line) =>
      line
        .map((text, column) => {
          const room = ' '.repeat((widths[column] ?? 0) - stringWidth(text))
          return isNumeric[column] ? room + text : text + room
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
