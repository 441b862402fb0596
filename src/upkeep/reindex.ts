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
import type { Plan } from './plan.ts'

/** Not worth the work below this. */
const minSavingBytes = 2 ** 20
const minSavingShare = 0.2

/** More room than the index takes: the new one is built beside it, with temporary files. */
const roomFactor = 1.5

type ShrinkingIndex = IndexState & {
  /** Estimated bytes. */
  saving: number
}

export interface ReindexFigures {
  /** Half-built indexes that a killed run left; dropped first. */
  leftovers: string[]
  /** Those that would shrink, biggest saving first. */
  indexes: ShrinkingIndex[]
  /** Bytes that the largest one needs beside the old one. */
  needed: number
  /** Bytes free where the database is; undefined when that cannot be seen from here. */
  free: number | undefined
}

/** What became of an index: its bytes before and after, or why it was left as it is. */
export type ReindexedIndex =
  | { name: string; before: number; after: number }
  | { name: string; before: number; skipped: string }

export interface ReindexResult {
  /** Leftovers that were dropped. */
  dropped: string[]
  indexes: ReindexedIndex[]
  interrupted: boolean
}

export interface ReindexExecution {
  /** After an abort, the index at hand is finished. */
  signal: AbortSignal
  onIndex: (index: ReindexedIndex) => void
}

export type ReindexPlan = Plan<ReindexFigures, ReindexExecution, ReindexResult>

/**
 * Finds indexes that would shrink when built anew, and what an interrupted run left. Executed, the plan rebuilds them
 * one at a time without blocking anybody; one that fails is told and the others go on. Reads only.
 */
export async function planReindex({ sql }: Database): Promise<ReindexPlan> {
  const indexes = (await indexStates(sql)).flatMap((index) => {
    const saving = index.ideal === null ? 0 : index.size - index.ideal
    return saving >= minSavingBytes && saving >= index.size * minSavingShare ? [{ ...index, saving }] : []
  })
  const folder = await localDataFolder(sql)
  const disk = folder === undefined ? undefined : await statfs(folder).catch(() => undefined)
  const figures: ReindexFigures = {
    leftovers: await leftoverIndexes(sql),
    indexes,
    needed: Math.max(0, ...indexes.map(({ size }) => size)),
    free: disk && disk.bavail * disk.bsize,
  }
  return { figures, execute: (execution) => execute(sql, figures, execution) }
}

async function execute(
  sql: Database['sql'],
  { leftovers, indexes, free }: ReindexFigures,
  { signal, onIndex }: ReindexExecution,
): Promise<ReindexResult> {
  const result: ReindexResult = { dropped: [], indexes: [], interrupted: false }
  // One that was half-built when it was planned may be done by now, by somebody else.
  const stillLeft = await leftoverIndexes(sql)
  for (const name of leftovers.filter((each) => stillLeft.includes(each))) {
    await dropIndex(sql, name)
    result.dropped.push(name)
  }
  for (const index of indexes) {
    if (signal.aborted) break
    const done = await rebuild(sql, index, free)
    result.indexes.push(done)
    onIndex(done)
  }
  result.interrupted = result.indexes.length < indexes.length
  return result
}

async function rebuild(
  sql: Database['sql'],
  { name, size: before }: ShrinkingIndex,
  free: number | undefined,
): Promise<ReindexedIndex> {
  if (free !== undefined && free < before * roomFactor) {
    return { name, before, skipped: 'the disk has too little room for a second one' }
  }
  try {
    return { name, before, after: await reindex(sql, name) }
  } catch (cause) {
    return { name, before, skipped: databaseError(cause).message }
  }
}
