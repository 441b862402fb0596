import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../database/contract.ts'
import { timeAgo } from '../database/sql-time.ts'
import {
  backupsSince,
  clockSkew,
  countDueTombstones,
  type DueJob,
  type DueKind,
  dueJobs,
  dueKinds,
  dueTombstones,
  type LaterBackup,
  logSize,
  type PrunePolicy,
  removeTombstones,
  retireJobs,
  type Tombstone,
} from '../database/tombstones.ts'
import { foldUsage } from '../database/usage.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { type ObjectStore, objectKinds } from '../store/contract.ts'
import { jobPrefix, keyParts, objectKey } from '../store/keys.ts'
import { inBatches, type LongList, longList } from './long-list.ts'
import { neededKeys } from './needed-keys.ts'
import { type RemovalPlan, shareOf } from './plan.ts'

/** Jobs deleted in one statement: some tens of milliseconds, so that nobody waits for it. */
const batchJobs = 500
/** Jobs whose bytes are taken from the rollup together. */
const foldEvery = 20_000
/** Three objects each. */
const batchTombstones = 1000
/** More than this apart, and an age means something else to each of two clocks. */
const maxSkewMs = 5 * 60_000

export interface PruneFigures {
  /** Completed before these times and, not being completed, created before: the policy's ages, when it was planned. */
  before: Partial<Record<DueKind, string>>
  /** Jobs to delete. */
  rows: Record<DueKind, number>
  /** Of their stored objects, as far as the log knows them. */
  bytes: number
  oldest: string | null
  newest: string | null
  /** Jobs in the whole log; of a large log an estimate, and never fewer than `maxShare` was compared with. */
  totalRows: number
  totalIsEstimate: boolean
  /** Jobs that an interrupted prune deleted, and whose objects it left: they go in any case, and first. */
  leftovers: number
  /** Retained backups that still refer to some of these jobs. */
  backups: LaterBackup[]
}

export interface PruneOptions {
  policy: PrunePolicy
  /** Percent of all jobs that may be deleted. */
  maxShare: number
  /** Objects stay in the store; what is known of them stays in tombstones. */
  keepObjects: boolean
  /** Also remove old versions, where the store keeps them. */
  versions: boolean
  /** `totalRows` has to be exact, whatever that takes. */
  countAll?: boolean
}

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

export type PrunePlan = RemovalPlan<PruneFigures, PruneExecution, PruneResult>

export const plannedRows = ({ rows }: PruneFigures): number =>
  dueKinds.reduce((sum, kind) => sum + rows[kind], 0)

type DueLists = Record<DueKind, LongList<string>>

/**
 * Lists the jobs that a policy is about. Executed, the plan deletes these and no others: rows turn into tombstones, a
 * batch at a time, then the objects go, then the tombstones. Killed anywhere it loses nothing that should stay, and
 * the next prune begins with what this one left. Reads only.
 *
 * @param store is opened when the plan is executed
 * @throws RmbgError REFUSED when the clocks of database and machine disagree; `execute` also when another prune is at
 *   work
 */
export async function planPrune(
  { database, store }: { database: Database; store: () => Promise<ObjectStore> },
  options: PruneOptions,
): Promise<PrunePlan> {
  const { sql } = database
  await assertClock(database)
  const lists: DueLists = { completed: longList(), failed: longList(), abandoned: longList() }
  const close = async () => {
    for (const kind of dueKinds) await lists[kind].close()
  }
  try {
    const figures = await listDueJobs(database, options.policy, lists)
    await measureLog(database, figures, options)
    if (figures.oldest !== null) figures.backups = await backupsSince(sql, figures.oldest)
    const assertAllowed = () => assertWithinShare(figures, options.maxShare)
    return {
      figures,
      assertAllowed,
      execute: async (execution) => {
        assertAllowed()
        const release = await lockForPrune(database)
        try {
          return await execute({ database, store: await store() }, lists, figures, {
            ...options,
            ...execution,
          })
        } finally {
          await release()
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function listDueJobs({ sql }: Database, policy: PrunePolicy, lists: DueLists): Promise<PruneFigures> {
  const figures: PruneFigures = {
    before: {},
    rows: { completed: 0, failed: 0, abandoned: 0 },
    ...{ bytes: 0, oldest: null, newest: null, leftovers: 0, backups: [] },
    ...{ totalRows: 0, totalIsEstimate: false },
  }
  for (const kind of dueKinds) {
    const age = policy.olderThan[kind]
    if (age === undefined) continue
    const before = await timeAgo(sql, age)
    figures.before[kind] = before
    for await (const job of dueJobs(sql, policy, { kind, before })) {
      await lists[kind].add(job.jobId)
      figures.rows[kind]++
      count(figures, job)
    }
  }
  return figures
}

/** Only whether the share is exceeded has to be exact: so many jobs are counted as would make it just right. */
async function measureLog(
  { sql }: Database,
  figures: PruneFigures,
  { maxShare, countAll }: PruneOptions,
): Promise<void> {
  const enough = (100 * plannedRows(figures)) / Math.max(maxShare, Number.EPSILON)
  const { jobs, isEstimate } = await logSize(sql, countAll ? Number.POSITIVE_INFINITY : enough)
  figures.totalRows = jobs
  figures.totalIsEstimate = isEstimate
  figures.leftovers = await countDueTombstones(sql)
}

function count(figures: PruneFigures, { bytes, createdAt }: DueJob): void {
  figures.bytes += bytes
  if (figures.oldest === null || createdAt < figures.oldest) figures.oldest = createdAt
  if (figures.newest === null || createdAt > figures.newest) figures.newest = createdAt
}

async function assertClock({ sql }: Database): Promise<void> {
  const skewMs = await clockSkew(sql)
  if (Math.abs(skewMs) <= maxSkewMs) return
  const minutes = Math.round(Math.abs(skewMs) / 60_000)
  throw new RmbgError(
    'REFUSED',
    `The database's clock is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's, so no age can be trusted.`,
    { hint: 'Set the clocks.' },
  )
}

function assertWithinShare(figures: PruneFigures, maxShare: number): void {
  const rows = plannedRows(figures)
  const share = shareOf(rows, figures.totalRows)
  if (share <= maxShare) return
  throw new RmbgError(
    'REFUSED',
    `${rows} of ${figures.totalRows} jobs (${share.toFixed(1)}%) would be deleted, more than --max-share ${maxShare}% allows.`,
    { hint: 'If that is what you want, raise --max-share.' },
  )
}

async function lockForPrune(database: Database): Promise<() => Promise<void>> {
  const release = await database.tryLock('prune')
  if (release) return release
  throw new RmbgError('REFUSED', 'Another prune, or a backup of the objects, is at work on this database.', {
    hint: 'Wait until it is done.',
  })
}

interface Services {
  database: Database
  store: ObjectStore
}

async function execute(
  services: Services,
  lists: DueLists,
  figures: PruneFigures,
  options: PruneOptions & PruneExecution,
): Promise<PruneResult> {
  const { database, store } = services
  await store.check(options.signal)
  const state = (await store.versions?.state(options.signal)) ?? 'off'
  const result: PruneResult = {
    ...{ jobs: 0, objects: 0, bytes: 0, left: 0, versions: { versions: 0, bytes: 0 } },
    hidden: state !== 'off' && !options.versions,
    interrupted: false,
  }
  await deleteObjects(services, options, result)
  // Sealed before anything is deleted; what the deletion itself changes is folded on the way.
  await foldUsage(database.sql)
  let unfolded = 0
  for (const kind of dueKinds) {
    const before = figures.before[kind]
    if (before === undefined) continue
    for await (const jobIds of inBatches(lists[kind].values(), batchJobs)) {
      if (options.signal.aborted) break
      const startedAt = performance.now()
      const jobs = await deleteJobs(services, { kind, before, jobIds }, options, result)
      unfolded += jobs
      if (unfolded >= foldEvery) {
        await foldUsage(database.sql)
        unfolded = 0
      }
      await keepRate(jobs, startedAt, options)
    }
  }
  await foldUsage(database.sql)
  result.interrupted = options.signal.aborted
  await database.flush()
  return result
}

/** @returns how many jobs were deleted */
async function deleteJobs(
  services: Services,
  batch: { kind: DueKind; before: string; jobIds: string[] },
  options: PruneOptions & PruneExecution,
  result: PruneResult,
): Promise<number> {
  const { policy, keepObjects, onJobs } = options
  const { jobs, bytes } = await retireJobs(services.database.sql, policy, { ...batch, kept: keepObjects })
  await failPoint('prune:retired')
  result.jobs += jobs
  result.bytes += bytes
  result.left += batch.jobIds.length - jobs
  onJobs(jobs)
  await deleteObjects(services, options, result)
  return jobs
}

/** Deletes the objects of all tombstones that are due, then the tombstones. */
async function deleteObjects(
  { database, store }: Services,
  { versions, signal }: Pick<PruneOptions & PruneExecution, 'versions' | 'signal'>,
  result: PruneResult,
): Promise<void> {
  while (!signal.aborted) {
    const tombstones = await dueTombstones(database.sql, batchTombstones)
    if (tombstones.length === 0) return
    const found: string[] = []
    for (const tombstone of tombstones) found.push(...(await keysOf(store, tombstone)))
    const { keys, everKeys } = await unneeded(database, [...new Set(found)])
    await store.remove(keys)
    await failPoint('prune:removed')
    const purged = versions ? await store.versions?.purge(everKeys) : undefined
    await removeTombstones(
      database.sql,
      tombstones.map(({ jobId }) => jobId),
    )
    await failPoint('prune:deleted')
    result.objects += keys.length
    result.versions.versions += purged?.versions ?? 0
    result.versions.bytes += purged?.bytes ?? 0
  }
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
async function keepRate(
  jobs: number,
  startedAt: number,
  { rate, signal }: Pick<PruneExecution, 'rate' | 'signal'>,
): Promise<void> {
  const dueMs = (jobs / rate) * 1000 - (performance.now() - startedAt)
  if (dueMs > 0) await sleep(dueMs, undefined, { signal }).catch(() => {})
}
