import { expect, it } from 'vitest'
import { table, wrapped } from '../../src/terminal/table.ts'

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

const id = '019a6b7e-0000-7000-8000-000000000000'
const rows = [
  [id, 'completed', 'a-rather-long-name-of-a-picture.jpg', 118],
  [id, 'failed', '漢字.jpg', null],
]
const head = ['JOB', 'STATUS', 'NAME', 'MS']

it('a table that is too wide breaks long cells, but no id', () => {
  expect(table(head, rows, { width: 72 })).toBe(
    [
      'JOB                                   STATUS     NAME                 MS',
      '019a6b7e-0000-7000-8000-000000000000  completed  a-rather-long-name  118',
      '                                                 -of-a-picture.jpg',
      '019a6b7e-0000-7000-8000-000000000000  failed     漢字.jpg',
    ].join('\n'),
  )
})

it('a table does without columns that it is told to, before it becomes a list', () => {
  expect(table(head, rows, { width: 50, expendable: ['MS', 'NAME'] }).split('\n')[0]).toBe(
    'JOB                                   STATUS',
  )
  expect(table(head, rows, { width: 40 })).toBe(
    [
      `JOB     ${id}`,
      'STATUS  completed',
      'NAME    a-rather-long-name-of-a-picture.jpg',
      'MS      118',
      '',
      `JOB     ${id}`,
      'STATUS  failed',
      'NAME    漢字.jpg',
    ].join('\n'),
  )
})

it('text breaks at blanks', () => {
  expect(wrapped('one two three', 7)).toEqual(['one two', 'three'])
})
