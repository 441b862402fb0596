/** Lines on a screen that is narrower than they are. */
import { describe, expect, it } from 'vitest'
import { hasColors } from '../../src/terminal/colors.ts'
import { wrap } from '../../src/terminal/wrap.ts'

const at = (width: number, text: string, whole: string[] = []) => wrap(text, { width, whole }).split('\n')

describe('a line that is too wide', () => {
  it('is broken between words, and goes on indented', () => {
    expect(at(20, 'failed     photos/a.jpg  It is empty.')).toEqual([
      'failed',
      '  photos/a.jpg  It',
      '  is empty.',
    ])
    expect(at(16, '  a list has its own indent')).toEqual(['  a list has its', '    own indent'])
  })

  it('has colors that take no room', () => {
    expect(at(12, '\u001b[31mred words on\u001b[39m a wall')).toEqual([
      '\u001b[31mred words on\u001b[39m',
      '  a wall',
    ])
  })

  it('is measured as a terminal draws it', () => {
    expect(at(10, '写真写真 写真写真')).toEqual(['写真写真', '  写真写真'])
  })

  it('leaves a word that is wider to the terminal', () => {
    const path = '/home/anna/pictures/of/the/spring.png'
    expect(at(20, `It lies in ${path} for now`)).toEqual(['It lies in', `  ${path}`, '  for now'])
  })

  it('does not break a path with blanks', () => {
    const path = '/home/anna/spring shop/x.png'
    expect(at(24, `See ${path} again`, [path])).toEqual(['See', `  ${path}`, '  again'])
  })

  it.each([
    'rmbg query --needs-review',
    'rmbg setup --model isnet --yes',
    'rmbg model pull rmbg-2.0:q4f16',
    "rmbg process 'photos/**/*.jpg' -o - > y.png",
    'npm install libheif-js',
    '--output FOLDER',
  ])('does not break a command: %s', (command) => {
    expect(at(20, `To see why, type ${command}, and wait`)).toContain(`  ${command},`)
  })

  it('does not take a sentence for a command', () => {
    expect(at(22, 'rmbg process uses it from now on')).toEqual(['rmbg process uses it', '  from now on'])
  })
})

describe('colors', () => {
  const terminal = { isTTY: true }
  const file = { isTTY: false }
  it.each([
    [terminal, {}, true],
    [file, { CI: 'true' }, false],
    [file, { FORCE_COLOR: '1' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    [terminal, { TERM: 'dumb' }, false],
  ])('of %o with %o: %s', (stream, env, expected) => {
    expect(hasColors(stream, env)).toBe(expected)
  })
})
