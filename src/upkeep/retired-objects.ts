/** The objects of jobs that a prune has taken out of the log. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database, Lock } from '../database/contract.ts'
import type { Tombstone } from '../database/tombstones.ts'
import { failPoint } from '../fail-point.ts'
import { type ObjectStore, objectKinds } from '../store/contract.ts'
import { jobPrefix, keyParts, objectKey } from '../store/keys.ts'
import { neededKeys } from './needed-keys.ts'

export interface PruneExecution {
  /** Jobs per second at most. */
  rate: number
  /** After an abort, the batch at hand is finished. */
  signal: AbortSignal
  /** Is told after each batch how many jobs it deleted. */
  onJobs: (jobs: number) => void
}

export interface PruneResult {
  jobs: number
  /** Objects removed; those of an earlier, interrupted run included. */
  objects: number
  /** Of the deleted jobs' objects, as the log knew them. */
  bytes: number
  /** Jobs of the plan that were not due any more when their turn came. */
  left: number
  /** Old versions removed, and what they held. */
  versions: { versions: number; bytes: number }
  /** The store keeps what was removed as old versions. */
  hidden: boolean
  interrupted: boolean
}

export interface Services {
  database: Database
  store: ObjectStore
  /** For `prune`. A process that stood still may have lost it, and must then do nothing more. */
  lock: Lock
}

/** Removes the objects of jobs whose tombstones are committed, but those that other jobs need. */
export async function removeObjectsOf(
  { database, store, lock }: Services,
  tombstones: readonly Tombstone[],
  { versions }: { versions: boolean },
  result: PruneResult,
): Promise<void> {
  const found: string[] = []
  for (const tombstone of tombstones) found.push(...(await keysOf(store, tombstone)))
  await lock.assertHeld()
  const { keys, everKeys } = await unneeded(database, [...new Set(found)])
  await store.remove(keys)
  await failPoint('prune:removed')
  const purged = versions ? await store.versions?.purge(everKeys) : undefined
  result.objects += keys.length
  result.versions.versions += purged?.versions ?? 0
  result.versions.bytes += purged?.bytes ?? 0
}

/** A job of several attempts, or one that never was completed, may have left any objects: they are looked for. */
async function keysOf(store: ObjectStore, { jobId, keys, sharedKey }: Tombstone): Promise<string[]> {
  if (keys) return keys
  const found = sharedKey === null ? [] : [sharedKey]
  for (const kind of objectKinds) {
    for await (const { key } of store.list(jobPrefix(kind, jobId))) found.push(key)
  }
  return found
}

/**
 * Without the originals that other jobs need. The tombstones are committed, so a job that shares one of the others from
 * now on would have to find a row that names it, and there is none.
 *
 * @returns `keys`: of objects to remove; `everKeys`: of these, and of earlier attempts
 */
async function unneeded(
  { sql }: Database,
  found: readonly string[],
): Promise<{ keys: string[]; everKeys: string[] }> {
  const ever = [...new Set(found.flatMap(everyAttempt))]
  const needed = await neededKeys(sql, ever)
  return {
    keys: found.filter((key) => !needed.has(key)),
    everKeys: ever.filter((key) => !needed.has(key)),
  }
}

/** Attempts whose objects were removed long ago left old versions under keys of their own. */
function everyAttempt(key: string): string[] {
  const parts = keyParts(key)
  if (!parts || parts.attempt < 2) return [key]
  const { kind, jobId, attempt, extension } = parts
  const numbers = Array.from({ length: attempt }, (_, index) => index + 1)
  return [
    `${jobPrefix(kind, jobId)}.${extension}`,
    ...numbers.map((number) => objectKey(kind, jobId, number, extension)),
  ]
}

/** Waits for as long as so many jobs may take. */
export async function keepRate(
  jobs: number,
  startedAt: number,
  { rate, signal }: Pick<PruneExecution, 'rate' | 'signal'>,
): Promise<void> {
  const dueMs = (jobs / rate) * 1000 - (performance.now() - startedAt)
  if (dueMs > 0) await sleep(dueMs, undefined, { signal }).catch(() => {})
}
