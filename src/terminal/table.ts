import CliTable from 'cli-table3'
import { printable } from './printable.ts'

/** What stands between columns and around cells: nothing but room. */
const bare = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

export type Cell = string | number | boolean | null | undefined

/** Columns of plain text; figures are aligned to the right. Control characters of the cells are made visible. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumeric = head.map((_, column) =>
    rows.every((row) => row[column] == null || typeof row[column] === 'number'),
  )
  const lines = new CliTable({
    head: [...head],
    colAligns: isNumeric.map((numeric) => (numeric ? 'right' : 'left')),
    chars: bare,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) lines.push(row.map((cell) => (cell == null ? '' : printable(String(cell)))))
  return lines
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
