/**
 * File names as text. On Linux a name is any bytes, and Node loses those that are not UTF-8. So a path that came through
 * here holds each such byte as a lone surrogate (0xE9 as U+DCE9), as Python does: no real name holds one. It is text for
 * `node:path` and globs, it leads to its file through `systemPath`, and it is shown and logged through `shownPath`.
 */
import { isUtf8 } from 'node:buffer'
import { readFileSync, readlinkSync } from 'node:fs'

const byteMark = 0xdc00
// With the flag u, half of a pair is no match.
const marks = /[\udc80-\udcff]/gu
const hasMark = /[\udc80-\udcff]/u

/** The path that these bytes are. */
export function pathOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  const parts: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const character = bytes.subarray(at, at + characterLength(bytes[at] ?? 0))
    if (isUtf8(character)) {
      parts.push(character.toString())
      at += character.length
    } else {
      parts.push(String.fromCharCode(byteMark + (bytes[at] ?? 0)))
      at++
    }
  }
  return parts.join('')
}

/** Bytes of a UTF-8 character that begins with this one. */
function characterLength(first: number): number {
  if (first < 0xc0) return 1
  if (first < 0xe0) return 2
  return first < 0xf0 ? 3 : 4
}

/** The bytes of a path: the other way of `pathOf`. */
export function pathBytes(path: string): Buffer {
  if (isText(path)) return Buffer.from(path)
  const parts: Buffer[] = []
  let from = 0
  for (const { 0: mark, index } of path.matchAll(marks)) {
    parts.push(Buffer.from(path.slice(from, index)), Buffer.from([mark.charCodeAt(0) - byteMark]))
    from = index + 1
  }
  return Buffer.concat([...parts, Buffer.from(path.slice(from))])
}

/** Whether every name in a path is UTF-8. */
export const isText = (path: string): boolean => !hasMark.test(path)

/** What `node:fs` opens. */
export const systemPath = (path: string): string | Buffer => (isText(path) ? path : pathBytes(path))

/** What people and rows see: bytes that are not UTF-8 as in a URL, `caf%E9.jpg`. */
export const shownPath = (path: string): string =>
  isText(path)
    ? path
    : path.replaceAll(marks, (mark) => `%${(mark.charCodeAt(0) - byteMark).toString(16).toUpperCase()}`)

const escapedBytes = /%([89A-F][0-9A-F])/g

/** The path that `shownPath` made this of, if it was one that is not UTF-8: shown names can be typed again. */
export function unshownPath(shown: string): string | undefined {
  if (!/%[89A-F][0-9A-F]/.test(shown)) return undefined
  return shown.replaceAll(escapedBytes, (_, hex: string) =>
    String.fromCharCode(byteMark + Number.parseInt(hex, 16)),
  )
}

const lost = '\ufffd'

/** The arguments of this process with the bytes that Node has lost, where the system still tells them (Linux). */
export function typedArguments(args: readonly string[]): string[] {
  if (!args.some((arg) => arg.includes(lost))) return [...args]
  const typed = commandLine().filter((bytes) => !isUtf8(bytes))
  return args.map((arg) => {
    const index = arg.includes(lost) ? typed.findIndex((bytes) => bytes.toString() === arg) : -1
    // Two names may have lost different bytes and look the same: each is taken once.
    return index === -1 ? arg : typed.splice(index, 1).map(pathOf).join('')
  })
}

/** The value of a flag, or of an environment variable, with the bytes that Node has lost. */
export function typedValue(value: string): string {
  if (!value.includes(lost)) return value
  const given = [...commandLine().flatMap(valuesIn), ...environment().map(behindEquals)]
  const typed = given.find((bytes) => !isUtf8(bytes) && bytes.toString() === value)
  return typed ? pathOf(typed) : value
}

/** What an argument may be the value of: `-o VALUE`, `--output=VALUE`, `-oVALUE`. */
const valuesIn = (arg: Buffer): Buffer[] => [arg, behindEquals(arg), arg.subarray(2)]
const behindEquals = (bytes: Buffer): Buffer => bytes.subarray(bytes.indexOf('=') + 1)

/** The working directory, also where its name is not UTF-8. */
export function workingDirectory(): string {
  const known = process.cwd()
  if (!known.includes(lost)) return known
  try {
    return pathOf(readlinkSync('/proc/self/cwd', 'buffer'))
  } catch {
    return known
  }
}

const commandLine = (): Buffer[] => listOfSystem('/proc/self/cmdline')
const environment = (): Buffer[] => listOfSystem('/proc/self/environ')

function listOfSystem(file: string): Buffer[] {
  try {
    return splitAtNul(readFileSync(file))
  } catch {
    return []
  }
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let from = 0
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, from)) {
    parts.push(bytes.subarray(from, end))
    from = end + 1
  }
  return parts
}
