/** A list of paths: bytes of unknown origin become entries, or one sentence that says why they cannot be a list. */
import { RmbgError } from '../../errors.ts'
import { pathOf } from '../../system/file-names.ts'
import { type Kind, kindOf } from './beginnings.ts'

/** For sentences: the name of the file, or `standard input`. */
export interface ListOrigin {
  shown: string
  isStandardInput: boolean
}

/** Enough to know an archive, and more than any path is long: a list that is separated by NUL has one in there. */
const headBytes = 64 * 1024
const maxEntryBytes = 64 * 1024
const newline = 10
const nul = 0

/**
 * Reads a list as it comes: UTF-8 or, told by its byte order mark, UTF-16; one path per line, or separated by NUL. Blank
 * entries are left out. A name that is not UTF-8 is an entry like any other (see `system/file-names.ts`).
 *
 * @returns entries in groups, as they are read
 * @throws RmbgError USAGE when it is a picture, an archive or a document, or can be no list of paths
 */
export async function* listEntries(
  content: AsyncIterable<Buffer>,
  origin: ListOrigin,
): AsyncGenerator<string[]> {
  let separator: number | undefined
  let rest: Buffer = Buffer.alloc(0)
  const shape = { entries: 0, short: 0 }
  for await (const piece of decoded(content, origin)) {
    separator ??= piece.subarray(0, headBytes).includes(nul) ? nul : newline
    if (separator === newline && piece.includes(nul))
      throw notAList(origin, 'there are NULs between its lines')
    const bytes = Buffer.concat([rest, piece])
    const end = bytes.lastIndexOf(separator) + 1
    rest = bytes.subarray(end)
    const entries = split(bytes.subarray(0, end), separator)
    if (isTooLong(rest) || entries.some(isTooLong))
      throw notAList(origin, 'it has an entry that is longer than any path')
    if (separator === nul) assertNames(entries, shape, origin)
    yield entries.filter(isNoBlank)
  }
  yield split(rest, separator ?? newline).filter(isNoBlank)
}

const isTooLong = ({ length }: Buffer | string): boolean => length > maxEntryBytes
const isNoBlank = (entry: string): boolean => entry.trim() !== ''

function split(bytes: Buffer, separator: number): string[] {
  const entries: string[] = []
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(separator, from)
    const end = found === -1 ? bytes.length : found
    const isWindows = separator === newline && bytes[end - 1] === 13 && end > from
    entries.push(pathOf(bytes.subarray(from, isWindows ? end - 1 : end)))
    from = end + 1
  }
  return entries
}

/** Text in UTF-16, and many a binary file, looks like a list of single characters between NULs. */
function assertNames(entries: string[], shape: { entries: number; short: number }, origin: ListOrigin): void {
  shape.entries += entries.length
  shape.short += entries.filter(({ length }) => length <= 1).length
  if (shape.entries < 3 || shape.short * 2 <= shape.entries) return
  throw notAList(origin, 'it holds single characters between NULs, as text in UTF-16 does')
}

async function* decoded(content: AsyncIterable<Buffer>, origin: ListOrigin): AsyncGenerator<Buffer> {
  let decode: ((bytes: Buffer) => Buffer) | undefined
  for await (const piece of withWholeHead(content)) {
    decode ??= decoderOf(piece, origin)
    yield decode(piece)
  }
}

/** The same bytes; the first piece has at least `headBytes`, or all there are. */
export async function* withWholeHead(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of content) {
    if (head) head = Buffer.concat([head, chunk])
    if (head && head.length < headBytes) continue
    yield head ?? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    head = undefined
  }
  if (head && head.length > 0) yield head
}

/** What was read of something, and the rest of it. */
export async function* startingWith(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head
  yield* rest
}

/** @returns makes UTF-8 of one piece after the other */
function decoderOf(head: Buffer, origin: ListOrigin): (bytes: Buffer) => Buffer {
  const begins = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte)
  if (begins(0xff, 0xfe, 0, 0) || begins(0, 0, 0xfe, 0xff)) throw notAList(origin, 'it is text in UTF-32')
  if (begins(0xff, 0xfe)) return fromUtf16('utf-16le')
  if (begins(0xfe, 0xff)) return fromUtf16('utf-16be')
  const known = kindOf(head)
  if (known) throw somethingElse(known, origin)
  if (!begins(0xef, 0xbb, 0xbf)) return (bytes) => bytes
  return (bytes) => (bytes === head ? bytes.subarray(3) : bytes)
}

function fromUtf16(encoding: 'utf-16le' | 'utf-16be'): (bytes: Buffer) => Buffer {
  const decoder = new TextDecoder(encoding) // leaves the byte order mark out
  return (bytes) => Buffer.from(decoder.decode(bytes, { stream: true }))
}

function somethingElse({ what, name }: Kind, { shown, isStandardInput }: ListOrigin): RmbgError {
  const file = isStandardInput ? 'FILE' : shown
  const article = what === 'archive' ? 'an' : 'a'
  const hint = {
    picture: isStandardInput
      ? 'Save it as a file and name that file: rmbg process picture.jpg'
      : `To process it, name it without --from-file: rmbg process ${file}`,
    film: 'Name pictures, or a folder of them: rmbg process photos',
    archive: 'Unpack it and name its folder: rmbg process photos',
    document: 'Save the paths as plain text, one per line.',
  }[what]
  return new RmbgError(
    'USAGE',
    `${subject(shown, isStandardInput)} is ${article} ${what} (${name}), not a list of paths.`,
    {
      hint,
    },
  )
}

/** @param why as in `it is text in UTF-32` */
export function notAList({ shown, isStandardInput }: ListOrigin, why: string): RmbgError {
  return new RmbgError('USAGE', `${subject(shown, isStandardInput)} is no list of paths: ${why}.`, {
    hint: 'Save the list as UTF-8, one path per line. In PowerShell: ... | Out-File -Encoding utf8 list.txt',
  })
}

const subject = (shown: string, isStandardInput: boolean): string =>
  isStandardInput ? 'What comes from standard input' : shown
