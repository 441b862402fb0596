import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../database/contract.ts'
import {
  doomedKinds,
  dueTombstones,
  entombJobs,
  type PrunePlan,
  type PrunePolicy,
  planPrune,
  removeTombstones,
  type Tombstone,
} from '../database/tombstones.ts'
import { foldUsage } from '../database/usage.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { type ObjectStore, objectKinds } from '../store/contract.ts'
import { objectKey } from '../store/keys.ts'

/** Jobs deleted in one statement: some tens of milliseconds, so that nobody waits for it. */
const batchJobs = 500
/** Jobs whose bytes are taken from the rollup together. */
const foldEvery = 20_000
/** Three objects each. */
const batchTombstones = 1000
/** More than this apart, and an age means something else to each of two clocks. */
const maxSkewMs = 5 * 60_000

export interface Brakes {
  /** Percent of all jobs that may go at once. */
  maxShare: number
}

/**
 * What a prune would delete.
 *
 * @throws RmbgError REFUSED when the clocks of database and machine disagree
 */
export async function planPruning({ sql }: Database, policy: PrunePolicy): Promise<PrunePlan> {
  const plan = await planPrune(sql, policy)
  if (Math.abs(plan.clockSkewMs) <= maxSkewMs) return plan
  const minutes = Math.round(Math.abs(plan.clockSkewMs) / 60_000)
  throw new RmbgError(
    'REFUSED',
    `The database's clock is ${minutes} minutes ${plan.clockSkewMs > 0 ? 'ahead of' : 'behind'} this machine's, so no age can be trusted.`,
    { hint: 'Set the clocks.' },
  )
}

export const plannedRows = (plan: PrunePlan): number =>
  doomedKinds.reduce((sum, kind) => sum + plan.rows[kind], 0)

/** @throws RmbgError REFUSED when too large a share of the log would go */
export function assertWithinBrakes(plan: PrunePlan, { maxShare }: Brakes): void {
  const share = (100 * plannedRows(plan)) / Math.max(plan.totalRows, 1)
  if (share <= maxShare) return
  throw new RmbgError(
    'REFUSED',
    `${plannedRows(plan)} of ${plan.totalRows} jobs (${share.toFixed(1)}%) would go, more than --max-share ${maxShare}% allows.`,
    { hint: 'If that is what you want, raise --max-share.' },
  )
}

export interface PruneOptions {
  /** Objects stay in the store; what is known of them stays in tombstones. */
  keepObjects: boolean
  /** Also remove old versions, where the store keeps them. */
  versions: boolean
  /** Jobs per second at most. */
  rate: number
  signal: AbortSignal
  /** After each batch, with what was done since the one before. */
  onProgress: (done: { jobs?: number; objects?: number; bytes?: number }) => void
}

export interface PruneResult {
  jobs: number
  /** Objects removed; those of an earlier, interrupted run included. */
  objects: number
  /** As the log knew them. */
  bytes: number
  /** Old versions removed, and what they held. */
  versions: { versions: number; bytes: number }
  /** The store keeps what was removed as old versions. */
  hidden: boolean
  interrupted: boolean
}

/**
 * Deletes what the plan says: rows turn into tombstones, a batch at a time, then the objects go, then the tombstones.
 * Killed anywhere it loses nothing that should stay, and the next prune begins with what this one left.
 *
 * @throws RmbgError REFUSED when another prune is at work
 */
export async function prune(
  { database, store }: { database: Database; store: ObjectStore },
  policy: PrunePolicy,
  plan: PrunePlan,
  options: PruneOptions,
): Promise<PruneResult> {
  const { sql } = database
  const release = await database.tryLock('prune')
  if (!release) {
    throw new RmbgError(
      'REFUSED',
      'Another prune, or a backup of the objects, is at work on this database.',
      {
        hint: 'Wait until it is done.',
      },
    )
  }
  const state = (await store.versions?.state(options.signal)) ?? 'off'
  const result: PruneResult = {
    ...{ jobs: 0, objects: 0, bytes: 0, versions: { versions: 0, bytes: 0 } },
    hidden: state !== 'off' && !options.versions,
    interrupted: false,
  }
  const bury = async () => {
    for await (const buried of buryTombstones({ database, store }, options)) {
      result.objects += buried.objects
      result.versions.versions += buried.versions.versions
      result.versions.bytes += buried.versions.bytes
      options.onProgress({ objects: buried.objects })
    }
  }
  try {
    await bury()
    // Sealed before anything is deleted; what the deletion itself changes is folded on the way.
    await foldUsage(sql)
    let unfolded = 0
    for (const kind of doomedKinds) {
      const before = plan.before[kind]
      if (before === undefined || plan.rows[kind] === 0) continue
      let after: string | undefined
      for (let left = true; left && !options.signal.aborted; ) {
        const startedAt = performance.now()
        const batch = { kind, before, after, limit: batchJobs, kept: options.keepObjects }
        const { jobs, bytes, end } = await entombJobs(sql, policy, batch)
        await failPoint('prune:entombed')
        unfolded += jobs
        if (unfolded >= foldEvery) {
          await foldUsage(sql)
          unfolded = 0
        }
        result.jobs += jobs
        result.bytes += bytes
        options.onProgress({ jobs, bytes })
        await bury()
        left = end !== undefined && (jobs > 0 || end !== after)
        after = end
        const dueMs = (jobs / options.rate) * 1000 - (performance.now() - startedAt)
        if (left && dueMs > 0) await sleep(dueMs, undefined, { signal: options.signal }).catch(() => {})
      }
    }
    await foldUsage(sql)
    result.interrupted = options.signal.aborted
    await database.flush()
    return result
  } finally {
    await release()
  }
}

interface Buried {
  objects: number
  versions: { versions: number; bytes: number }
}

/** Deletes the objects of all tombstones that are due, then the tombstones. */
async function* buryTombstones(
  { database, store }: { database: Database; store: ObjectStore },
  { versions, signal }: Pick<PruneOptions, 'versions' | 'signal'>,
): AsyncGenerator<Buried> {
  while (!signal.aborted) {
    const tombstones = await dueTombstones(database.sql, batchTombstones)
    if (tombstones.length === 0) return
    const keys: string[] = []
    for (const tombstone of tombstones) keys.push(...(await keysOf(store, tombstone)))
    await store.remove(keys)
    await failPoint('prune:removed')
    const purged = versions ? await store.versions?.purge(keys) : undefined
    await removeTombstones(
      database.sql,
      tombstones.map(({ jobId }) => jobId),
    )
    await failPoint('prune:buried')
    yield { objects: keys.length, versions: purged ?? { versions: 0, bytes: 0 } }
  }
}

/** A job that never was completed may have left any objects under its id: they are looked for. */
async function keysOf(store: ObjectStore, { jobId, keys }: Tombstone): Promise<string[]> {
  if (keys) return keys
  const found: string[] = []
  for (const kind of objectKinds) {
    const prefix = objectKey(kind, jobId, 'x').slice(0, -1)
    for await (const { key } of store.list(prefix)) found.push(key)
  }
  return found
}
