import stringWidth from 'string-width'
import { printable } from './printable.ts'

export type Cell = string | number | boolean | null | undefined

export interface TableOptions {
  /** Columns of the screen; by default those of the terminal, and no limit elsewhere. */
  width?: number
  /** Heads of columns that are left out where there is no room, the first one first. */
  expendable?: readonly string[]
}

const gap = '  '
/** Longer words are broken where a column is short of room. */
const longestWhole = 16
/** People copy these. */
const isId = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)

/** How wide a text may be that is printed on stdout. */
export const outputWidth = (): number =>
  process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY

/**
 * Columns of plain text; figures are aligned to the right. Control characters of the cells are made visible. Where the
 * screen is too narrow, long cells take several lines; where even that is not enough, each row is a list of its cells.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { width = outputWidth(), expendable = [] }: TableOptions = {},
): string {
  const texts = rows.map((row) => head.map((_, column) => printable(String(row[column] ?? ''))))
  const numeric = head.map((_, column) =>
    rows.every((row) => row[column] == null || typeof row[column] === 'number'),
  )
  let shown = head.map((_, column) => column)
  const dropped = [...expendable]
  for (;;) {
    const widths = fittingWidths(
      shown.map((column) => [head[column]!, ...texts.map((row) => row[column]!)]),
      width,
    )
    if (widths) {
      const columns = shown.map((column, index) => ({
        column,
        width: widths[index]!,
        isNumeric: numeric[column]!,
      }))
      return [head, ...texts].map((row) => rowText(row, columns)).join('\n')
    }
    const next = dropped.shift()
    if (next === undefined) return texts.map((row) => record(head, row)).join('\n\n')
    shown = shown.filter((column) => head[column] !== next)
  }
}

/** @returns undefined where no widths are narrow enough */
function fittingWidths(columns: readonly (readonly string[])[], width: number): number[] | undefined {
  // As wide as a terminal draws it: an emoji or a Chinese character takes two columns.
  const widths = columns.map((texts) =>
    texts.reduce((widest, text) => Math.max(widest, stringWidth(text)), 0),
  )
  const least = columns.map((texts) => texts.reduce((widest, text) => Math.max(widest, leastWidth(text)), 0))
  const room = width - gap.length * (columns.length - 1)
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  if (sum(least) > room) return undefined
  while (sum(widths) > room) {
    const spare = widths.map((value, column) => (value > least[column]! ? value : 0))
    const widest = spare.indexOf(Math.max(...spare))
    widths[widest]!--
  }
  return widths
}

function leastWidth(text: string): number {
  if (isId(text)) return stringWidth(text)
  return text
    .split(' ')
    .reduce((widest, word) => Math.max(widest, Math.min(stringWidth(word), longestWhole)), 0)
}

function rowText(
  row: readonly string[],
  columns: readonly { column: number; width: number; isNumeric: boolean }[],
): string {
  const cells = columns.map(({ column, width }) => wrapped(row[column]!, width))
  const height = Math.max(...cells.map((lines) => lines.length), 1)
  return Array.from({ length: height }, (_, line) =>
    columns
      .map(({ width, isNumeric }, index) => {
        const text = cells[index]![line] ?? ''
        const room = ' '.repeat(width - stringWidth(text))
        return isNumeric ? room + text : text + room
      })
      .join(gap)
      .trimEnd(),
  ).join('\n')
}

/** Lines of at most so many columns: broken at blanks, and within words that are longer. */
export function wrapped(text: string, width: number): string[] {
  if (stringWidth(text) <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    for (const [index, part] of parts(word, width).entries()) {
      const joined = line === '' ? part : `${line}${index === 0 ? ' ' : ''}${part}`
      if (stringWidth(joined) <= width) line = joined
      else {
        lines.push(line)
        line = part
      }
    }
  }
  return [...lines, line]
}

/** A word as it is, or in pieces where it is wider than a line. */
function parts(word: string, width: number): string[] {
  if (stringWidth(word) <= width) return [word]
  const pieces: string[] = ['']
  for (const { segment } of new Intl.Segmenter().segment(word)) {
    const piece = pieces.at(-1)! + segment
    if (stringWidth(piece) > width && pieces.at(-1) !== '') pieces.push(segment)
    else pieces[pieces.length - 1] = piece
  }
  return pieces
}

/** A row as lines of `NAME  value`, without empty ones. */
function record(head: readonly string[], row: readonly string[]): string {
  const width = Math.max(...head.map((name) => stringWidth(name)))
  return head
    .flatMap((name, column) => (row[column] === '' ? [] : `${name.padEnd(width)}${gap}${row[column]}`))
    .join('\n')
}
