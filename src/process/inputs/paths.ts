import { hash } from 'node:crypto'
import { pathBytes, pathOf } from '../../system/file-names.ts'

/** Paths in the order in which they were added, each once. */
export interface Paths extends Iterable<string> {
  readonly length: number
  /** @returns false if it is in there already */
  add(path: string): boolean
}

const chunkBytes = 2 ** 20
/** 128 bits of a digest tell paths apart, so that no path has to be kept as text. */
const digestWords = 4

/**
 * Keeps each path as its bytes and a digest: for a list of a million about as many bytes as the list has, and 32 MiB.
 * As strings they would be three to five times that, and work for the garbage collector.
 */
export function openPaths(): Paths {
  const seen = digestSet()
  const chunks: Buffer[] = []
  let chunk = Buffer.alloc(0)
  let used = 0
  let length = 0
  return {
    get length() {
      return length
    },
    add(path) {
      const bytes = pathBytes(path)
      if (!seen.add(hash('sha256', bytes, 'buffer'))) return false
      if (used + bytes.length + 1 > chunk.length) {
        if (used > 0) chunks.push(chunk.subarray(0, used))
        chunk = Buffer.alloc(Math.max(chunkBytes, bytes.length + 1))
        used = 0
      }
      used += bytes.copy(chunk, used) + 1 // no path holds the NUL that ends it here
      length++
      return true
    },
    *[Symbol.iterator]() {
      for (const each of [...chunks, chunk.subarray(0, used)]) {
        for (let from = 0; from < each.length; ) {
          const end = each.indexOf(0, from)
          yield pathOf(each.subarray(from, end))
          from = end + 1
        }
      }
    },
  }
}

/** An open-addressed table of digests, of which half is used at most. Zeros are an empty place: no digest is zero. */
function digestSet() {
  let table = new Uint32Array(digestWords * 1024)
  let size = 0
  /** Where the digest that begins at this word of `from` is in the table, or the empty place for it. */
  const find = (from: Uint32Array, start: number): number => {
    const end = table.length - digestWords
    let at = ((from[start] ?? 0) * digestWords) % table.length
    while (!isEmpty(table, at) && !isSame(table, at, from, start)) at = at === end ? 0 : at + digestWords
    return at
  }
  const grow = () => {
    const old = table
    table = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += digestWords) {
      if (!isEmpty(old, at)) copy(old, at, table, find(old, at))
    }
  }
  const words = new Uint32Array(digestWords)
  return {
    /** @returns false if it is in there already */
    add(digest: Buffer): boolean {
      for (let index = 0; index < digestWords; index++) words[index] = digest.readUInt32LE(index * 4)
      const at = find(words, 0)
      if (!isEmpty(table, at)) return false
      copy(words, 0, table, at)
      size++
      if (size * digestWords * 2 > table.length) grow()
      return true
    },
  }
}

// Loops, because these run for every path, and a slice would be an object each time.
function isEmpty(table: Uint32Array, at: number): boolean {
  for (let index = 0; index < digestWords; index++) if (table[at + index] !== 0) return false
  return true
}

function isSame(one: Uint32Array, at: number, other: Uint32Array, start: number): boolean {
  for (let index = 0; index < digestWords; index++) if (one[at + index] !== other[start + index]) return false
  return true
}

function copy(from: Uint32Array, start: number, to: Uint32Array, at: number): void {
  for (let index = 0; index < digestWords; index++) to[at + index] = from[start + index] ?? 0
}
