/** Lines that are wider than a screen: broken at words, and never within something that people copy. */
import stringWidth from 'string-width'
import { printable } from './printable.ts'

/** Stands for a blank that is no place to break. No text that is shown holds it (`printable`). */
const firmBlank = '\u001f'

/** Commands and flags with their values, as messages name them: half a command, pasted, is another one. */
const value = String.raw`[^\s(,;]*[A-Z0-9/.*'"<>|&=:~-][^\s(,;]*`
const commands = new RegExp(
  String.raw`(?<![\w/-])(?:rmbg|npm)(?: [a-z]+){1,2}(?: --?[\w-]+(?:[= ][^\s(,;]+)?| ${value})*|--[\w-]+ [A-Z]+`,
  'g',
)

const widthOf = (text: string): number => stringWidth(text.replaceAll(firmBlank, ' '))

const hanging = '  '

interface WrapOptions {
  /** Columns. */
  width: number
  /** Texts that stay in one piece, such as paths with blanks. */
  whole?: readonly string[]
}

/**
 * Breaks each line at blanks, where it is wider than the screen. What follows is indented. A word that is wider than the
 * screen is left to the terminal, which knows that it is one.
 */
export function wrap(text: string, { width, whole = [] }: WrapOptions): string {
  const lines = text.split('\n')
  if (lines.every((line) => stringWidth(line) <= width)) return text
  return lines
    .map((line) => wrapLine(firm(line, whole), width))
    .join('\n')
    .replaceAll(firmBlank, ' ')
}

/**
 * The same for a stream, as wide as its terminal; elsewhere the text as it is.
 *
 * @param paths of files that the text names
 */
export function wrapFor(stream: NodeJS.WriteStream, text: string, paths: readonly string[] = []): string {
  if (!stream.isTTY) return text
  const { PWD = '', HOME = '' } = process.env
  const whole = [...paths, ...process.argv.slice(2), PWD, HOME].map(printable)
  return wrap(text, { width: stream.columns || 80, whole })
}

function firm(line: string, whole: readonly string[]): string {
  const fixed = (text: string) => text.replaceAll(' ', firmBlank)
  return whole
    .filter((text) => text.trim().includes(' '))
    .reduce((text, path) => text.replaceAll(path, fixed(path)), line)
    .replace(commands, fixed)
    .replaceAll('-> ', fixed)
}

function wrapLine(line: string, width: number): string {
  if (widthOf(line) <= width) return line
  const [indent = ''] = /^ */.exec(line) ?? []
  const lines: string[] = []
  let current: string | undefined
  for (const word of line.slice(indent.length).split(' ')) {
    // Of several blanks between columns none begins a line.
    if (current === undefined && word === '') continue
    const start = lines.length === 0 ? indent : indent + hanging
    const longer: string = current === undefined ? start + word : `${current} ${word}`
    if (current === undefined || widthOf(longer.trimEnd()) <= width) {
      current = longer
      continue
    }
    lines.push(current.trimEnd())
    current = word === '' ? undefined : indent + hanging + word
  }
  return [...lines, ...(current === undefined ? [] : [current.trimEnd()])].join('\n')
}
