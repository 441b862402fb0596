import { randomInt } from 'node:crypto'
import { resolve, sep } from 'node:path'
import { pathBytes, pathOf } from '../../system/file-names.ts'

/** Paths in the order in which they were added, each once. */
export interface Paths extends Iterable<string> {
  readonly length: number
  /** @returns false if it is in there already */
  add(path: string): boolean
  has(path: string): boolean
  /** Takes all of them. What is alone in here is not looked at before others come, and not copied. */
  addAll(packed: PackedPaths): void
}

/** Paths in a fixed order, each once, put together anew whenever they are asked for. */
export interface PackedPaths extends Iterable<string> {
  readonly length: number
}

/**
 * Packs paths in the order of their names.
 *
 * @param names are sorted in place; absolute, or relative to the folder, which is the empty one
 */
export function packedPaths(names: string[], folder?: string): PackedPaths {
  const { packs, length } = inPacks(names)
  const start = folder === undefined || folder.endsWith(sep) ? (folder ?? '') : folder + sep
  return {
    length,
    *[Symbol.iterator]() {
      for (const pack of packs)
        for (const name of pack.split('\0')) yield name === '' ? resolve(start) : start + name
    },
  }
}

/** Paths that are kept as one string: of many, a string each takes most of the memory. */
const packedAtOnce = 1000

/** By itself, so that nothing holds on to the names. */
function inPacks(names: string[]): { packs: string[]; length: number } {
  names.sort()
  const each = names.filter((name, index) => name !== names[index - 1])
  const packs: string[] = []
  for (let from = 0; from < each.length; from += packedAtOnce) {
    packs.push(each.slice(from, from + packedAtOnce).join('\0'))
  }
  return { packs, length: each.length }
}

/** No system has paths as long as this. */
const chunkBytes = 2 ** 18

/**
 * Keeps paths as bytes outside the heap: a list of a million takes as many bytes as its paths have, and 32 MiB at most.
 * A set of strings would be about four times that, and work for the garbage collector.
 */
export function openPaths(): Paths {
  /** Paths, each with a NUL behind it, which no path holds. None begins in one chunk and ends in the next. */
  const chunks: Buffer[] = []
  /** Bytes in the last chunk. */
  let used = chunkBytes
  let length = 0
  /** Where paths begin, plus 1; 0 is an empty place. A path stands at its hash, or at the next place that was empty. */
  let places = new Float64Array(1024)
  /** All there is, not taken apart yet. */
  let whole: PackedPaths | undefined

  const has = (place: number, bytes: Buffer): boolean => {
    const position = (places[place] ?? 0) - 1
    const begin = position % chunkBytes
    const end = begin + bytes.length
    const chunk = chunks[Math.floor(position / chunkBytes)]
    return chunk?.[end] === 0 && chunk.compare(bytes, 0, bytes.length, begin, end) === 0
  }
  const placeOf = (bytes: Buffer): number => {
    let place = hashOf(bytes) % places.length
    while (places[place] !== 0 && !has(place, bytes)) place = (place + 1) % places.length
    return place
  }
  const store = (bytes: Buffer): number => {
    if (used + bytes.length >= chunkBytes) {
      chunks.push(Buffer.alloc(chunkBytes))
      used = 0
    }
    const position = (chunks.length - 1) * chunkBytes + used
    chunks.at(-1)?.set(bytes, used)
    used += bytes.length + 1
    return position
  }
  function* stored(): Generator<[position: number, bytes: Buffer]> {
    for (const [index, chunk] of chunks.entries()) {
      const end = index === chunks.length - 1 ? used : chunkBytes
      for (let from = 0; from < end && chunk[from] !== 0; ) {
        const to = chunk.indexOf(0, from)
        yield [index * chunkBytes + from, chunk.subarray(from, to)]
        from = to + 1
      }
    }
  }
  const takeApart = (): void => {
    const packed = whole ?? []
    whole = undefined
    for (const path of packed) add(path)
  }
  function add(path: string): boolean {
    if (whole) takeApart()
    const bytes = pathBytes(path)
    const place = placeOf(bytes)
    if (places[place] !== 0) return false
    places[place] = store(bytes) + 1
    length++
    if (length * 2 > places.length) {
      places = new Float64Array(places.length * 2)
      for (const [position, bytes] of stored()) places[placeOf(bytes)] = position + 1
    }
    return true
  }
  return {
    get length() {
      return whole?.length ?? length
    },
    add,
    addAll(packed) {
      if (whole) takeApart()
      if (length === 0) whole = packed
      else for (const path of packed) add(path)
    },
    has(path) {
      if (whole) takeApart()
      return places[placeOf(pathBytes(path))] !== 0
    },
    *[Symbol.iterator]() {
      if (whole) yield* whole
      else for (const [, bytes] of stored()) yield pathOf(bytes)
    },
  }
}

/** Not the same in every process: nobody can write a list whose paths all have one hash. */
const seed = randomInt(2 ** 32)

/** FNV-1a, 32 bits. */
function hashOf(bytes: Buffer): number {
  let hash = seed
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
