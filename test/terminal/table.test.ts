import { expect, it } from 'vitest'
import { table } from '../../src/terminal/table.ts'

it('a table aligns text left, figures right, and ends no line in blanks', () => {
  const shown = table(
    ['NAME', 'JOBS', 'NOTE'],
    [
      ['spring', 7, null],
      ['b', 1200, 'new'],
      ['', undefined, false],
    ],
  )
  expect(shown.split('\n')).toEqual([
    'NAME    JOBS  NOTE',
    'spring     7',
    'b       1200  new',
    '              false',
  ])
})

it('a table counts columns as a terminal does, and shows control characters', () => {
  const shown = table(
    ['A', 'B'],
    [
      ['\u{1f600}', 'x'],
      ['漢字', 'x'],
      ['\u001b[2J', 'x'],
    ],
  )
  expect(shown.split('\n')).toEqual(['A          B', '\u{1f600}         x', '漢字       x', '\\u001b[2J  x'])
})
