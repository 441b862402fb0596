/** Pages of sources on disk, for who has to go through all of them more than once. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Spill } from '../../system/spill.ts'
import type { SourcePage } from './sources.ts'

type KeptPage = Pick<SourcePage, 'items' | 'broken' | 'base'>

/** Where a page lies in the file. */
interface Place {
  source: number
  /** What is sorted by within its source. */
  first: Buffer
  position: number
  bytes: number
}

/**
 * Pages of one bucket hold keys that follow each other, and no two overlap. So the order of pages makes that of all keys,
 * and only some bytes of each page are kept in memory.
 *
 * @returns how many candidates there are of each source; pages, which may be gone through again
 */
export async function keptPages(
  pages: AsyncIterable<SourcePage>,
  spill: Spill,
): Promise<{ counts: number[]; pages: Iterable<KeptPage> }> {
  const places: Place[] = []
  const counts: number[] = []
  let position = 0
  const lines = async function* () {
    for await (const { source, items, broken, base, cursor } of pages) {
      counts[source] = (counts[source] ?? 0) + items.length + broken.length
      if (items.length + broken.length === 0) continue
      const line = Buffer.from(JSON.stringify({ items, broken, base } satisfies KeptPage))
      const first = Buffer.from(cursor.manifest === undefined ? (items[0]?.url ?? '') : '')
      places.push({ source, first, position, bytes: line.length })
      position += line.length
      yield line
    }
  }
  const path = await spill.keep(lines(), Number.MAX_SAFE_INTEGER)
  // A stable sort: pages of a manifest stay as they came.
  places.sort((one, other) => one.source - other.source || Buffer.compare(one.first, other.first))
  return {
    counts: Array.from(counts, (count) => count ?? 0),
    pages: { [Symbol.iterator]: () => read(path, places) },
  }
}

function* read(path: string, places: readonly Place[]): Generator<KeptPage> {
  const file = openSync(path, 'r')
  try {
    for (const { position, bytes } of places) {
      const line = Buffer.alloc(bytes)
      for (let at = 0; at < bytes; ) at += readSync(file, line, at, bytes - at, position + at)
      yield JSON.parse(line.toString('utf8')) as KeptPage
    }
  } finally {
    closeSync(file)
  }
}
