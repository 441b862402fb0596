import type { FileHandle } from 'node:fs/promises'

/** Where something is in a file, in bytes; `end` is exclusive. */
export interface Span {
  start: number
  end: number
}

/**
 * A field of a message: a number, or a place in the file that holds bytes, a text or another message. Numbers of fixed
 * size are not read, and given as NaN.
 */
export type Field = { number: number; end: number } & ({ value: number } | { content: Span })

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const fixed32 = 5

/** A tag and a length take at most ten bytes each. */
const mostHeadBytes = 20
const windowBytes = 2 ** 14

/** Reads the fields of protobuf messages from a file, and skips their contents: those may be larger than memory. */
export class ProtobufFile {
  readonly #file: FileHandle
  #window = Buffer.alloc(0)
  #windowStart = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * The fields of a message, in the order of the file.
   *
   * @throws RangeError where it is no protobuf
   */
  async *fields({ start, end }: Span): AsyncGenerator<Field> {
    for (let at = start; at < end; ) {
      const field = await this.#field(at)
      if (field.end > end) throw new RangeError('A field ends after its message')
      yield field
      at = field.end
    }
  }

  async text({ start, end }: Span): Promise<string> {
    const { buffer, bytesRead } = await this.#file.read({
      buffer: Buffer.alloc(end - start),
      position: start,
    })
    return buffer.toString('utf8', 0, bytesRead)
  }

  async #field(start: number): Promise<Field> {
    const held = start - this.#windowStart
    if (held < 0 || held + mostHeadBytes > this.#window.length) await this.#moveWindow(start)
    const moved = this.#windowStart
    const field = fieldAt(this.#window, start - moved)
    const end = field.end + moved
    return 'content' in field
      ? { number: field.number, content: { start: field.content.start + moved, end }, end }
      : { ...field, end }
  }

  async #moveWindow(start: number): Promise<void> {
    const { buffer, bytesRead } = await this.#file.read({
      buffer: Buffer.alloc(windowBytes),
      position: start,
    })
    this.#window = buffer.subarray(0, bytesRead)
    this.#windowStart = start
  }
}

/**
 * The fields of a message that is in memory.
 *
 * @throws RangeError where it is no protobuf
 */
export function* fieldsOf(message: Buffer): Generator<Field> {
  for (let at = 0; at < message.length; ) {
    const field = fieldAt(message, at)
    if (field.end > message.length) throw new RangeError('A field ends after its message')
    yield field
    at = field.end
  }
}

/** The field that begins there. Its content may lie beyond these bytes. */
function fieldAt(bytes: Buffer, start: number): Field {
  const tag = varintAt(bytes, start)
  // The tag of a valid field fits into 32 bits.
  const number = Math.floor(tag.value / 8)
  const type = tag.value % 8
  if (type === varint) return { number, ...varintAt(bytes, tag.end) }
  if (type === fixed64 || type === fixed32) {
    return { number, value: Number.NaN, end: tag.end + (type === fixed64 ? 8 : 4) }
  }
  if (type !== lengthDelimited) throw new RangeError(`There is no type ${type}`)
  const length = varintAt(bytes, tag.end)
  const end = length.end + length.value
  return { number, content: { start: length.end, end }, end }
}

/** Numbers above 2^53 lose their last digits; no length and no enumeration has such a value. */
function varintAt(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0
  for (let at = start, weight = 1; at < start + 10; at++, weight *= 128) {
    const byte = bytes.readUInt8(at)
    value += (byte & 0x7f) * weight
    if (byte < 0x80) return { value, end: at + 1 }
  }
  throw new RangeError('A number is longer than ten bytes')
}
