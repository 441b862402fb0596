import { createHash } from 'node:crypto'
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
      if (!seen.add(createHash('sha256').update(bytes).digest())) return false
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

/** An open-addressed table of digests; half of it at most is used. A digest of zeros would be an empty place: none is. */
function digestSet() {
  let table = new Uint32Array(digestWords * 1024)
  let size = 0
  const places = () => table.length / digestWords
  /** Where the digest is, or the empty place for it. */
  const placeOf = (words: Uint32Array): number => {
    for (let place = (words[0] ?? 0) % places(); ; place = (place + 1) % places()) {
      const at = place * digestWords
      const isEmpty = table.subarray(at, at + digestWords).every((word) => word === 0)
      if (isEmpty || words.every((word, index) => table[at + index] === word)) return at
    }
  }
  const grow = () => {
    const old = table
    table = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += digestWords) {
      const words = old.subarray(at, at + digestWords)
      if (words.some((word) => word !== 0)) table.set(words, placeOf(words))
    }
  }
  return {
    /** @returns false if it is in there already */
    add(digest: Buffer): boolean {
      const words = Uint32Array.from({ length: digestWords }, (_, index) => digest.readUInt32LE(index * 4))
      const at = placeOf(words)
      if (words.every((word, index) => table[at + index] === word)) return false
      table.set(words, at)
      size++
      if (size * 2 > places()) grow()
      return true
    },
  }
}
