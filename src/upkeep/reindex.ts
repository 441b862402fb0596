import { statfs } from 'node:fs/promises'
import type { Database } from '../database/contract.ts'
import { databaseError } from '../database/errors.ts'
import {
  dropIndex,
  type IndexState,
  indexStates,
  leftoverIndexes,
  localDataFolder,
  reindex,
} from '../database/indexes.ts'

/** Not worth the work below this. */
const minSavingBytes = 2 ** 20
const minSavingShare = 0.2

export interface ReindexPlan {
  /** Left behind by a killed run; dropped first. */
  leftovers: string[]
  /** Those that would shrink, biggest saving first. */
  indexes: (IndexState & { saving: number })[]
  /** Bytes that the largest one needs beside the old one. */
  needed: number
  /** Bytes free where the database is; undefined when that cannot be seen from here. */
  free: number | undefined
}

/** Which indexes are worth building anew. Reads only. */
export async function planReindex({ sql }: Database): Promise<ReindexPlan> {
  const indexes = (await indexStates(sql)).flatMap((index) => {
    const saving = index.ideal === null ? 0 : index.size - index.ideal
    return saving >= minSavingBytes && saving >= index.size * minSavingShare ? [{ ...index, saving }] : []
  })
  const folder = await localDataFolder(sql)
  const disk = folder === undefined ? undefined : await statfs(folder).catch(() => undefined)
  return {
    leftovers: await leftoverIndexes(sql),
    indexes,
    needed: Math.max(0, ...indexes.map(({ size }) => size)),
    free: disk && disk.bavail * disk.bsize,
  }
}

export interface ReindexedIndex {
  name: string
  before: number
  after: number | undefined
  /** Why it was left as it is. */
  skipped?: string
}

/** Carries a plan out, one index at a time; one that fails is told and the others go on. */
export async function reindexAll(
  { sql }: Database,
  { leftovers, indexes, free }: ReindexPlan,
  { signal, onIndex }: { signal: AbortSignal; onIndex: (index: ReindexedIndex) => void },
): Promise<ReindexedIndex[]> {
  const done: ReindexedIndex[] = []
  const tell = (index: ReindexedIndex) => {
    done.push(index)
    onIndex(index)
  }
  for (const name of leftovers) await dropIndex(sql, name)
  for (const { name, size } of indexes) {
    if (signal.aborted) break
    if (free !== undefined && free < size * 1.5) {
      tell({ name, before: size, after: undefined, skipped: 'the disk has too little room for a second one' })
      continue
    }
    try {
      tell({ name, before: size, after: await reindex(sql, name) })
    } catch (cause) {
      tell({ name, before: size, after: undefined, skipped: databaseError(cause).message })
    }
  }
  return done
}
