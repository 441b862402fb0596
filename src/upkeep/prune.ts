import type { Database } from '../database/contract.ts'
import { type DueMonth, dueMonths } from '../database/gone-months.ts'
import type { IdRange } from '../database/id-range.ts'
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
  type RetireOptions,
  removeTombstones,
  retireJobs,
} from '../database/tombstones.ts'
import { foldUsage } from '../database/usage.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectStore } from '../store/contract.ts'
import { inBatches, type LongList, longList } from './long-list.ts'
import { type RemovalPlan, shareOf } from './plan.ts'
import { deleteMonths, finishMonths, type PlannedMonth } from './prune-months.ts'
import {
  keepRate,
  type PruneExecution,
  type PruneResult,
  removeObjectsOf,
  type Services,
} from './retired-objects.ts'

export type { PruneExecution, PruneResult } from './retired-objects.ts'

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
  /** Jobs to delete; those of large months, which go as a whole, are estimates. */
  rows: Record<DueKind, number>
  rowsAreEstimates: boolean
  /** Of a log in months: those that go as a whole. */
  months: PlannedMonth[]
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
 *   work, or took over from this one while it stood still
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
    const figures = await listDueJobs(database, options, lists)
    await measureLog(database, figures, options)
    if (figures.oldest !== null) figures.backups = await backupsSince(sql, figures.oldest)
    const assertAllowed = () => assertWithinShare(figures, options.maxShare)
    return {
      figures,
      assertAllowed,
      execute: async (execution) => {
        assertAllowed()
        const lock = await database.lock('prune')
        try {
          return await execute({ database, store: await store(), lock }, lists, figures, {
            ...options,
            ...execution,
          })
        } finally {
          await lock.release()
        }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function listDueJobs(
  { sql }: Database,
  { policy, keepObjects, countAll = false }: PruneOptions,
  lists: DueLists,
): Promise<PruneFigures> {
  const figures: PruneFigures = {
    before: {},
    rows: { completed: 0, failed: 0, abandoned: 0 },
    ...{ rowsAreEstimates: false, months: [] },
    ...{ bytes: 0, oldest: null, newest: null, leftovers: 0, backups: [] },
    ...{ totalRows: 0, totalIsEstimate: false },
  }
  for (const kind of dueKinds) {
    const age = policy.olderThan[kind]
    if (age !== undefined) figures.before[kind] = await timeAgo(sql, age)
  }
  // What is known of objects that stay is kept job by job.
  const wholes = keepObjects ? undefined : await dueMonths(sql, policy, figures.before, countAll)
  for (const month of wholes?.months ?? []) countMonth(figures, month)
  const ranges: (IdRange | undefined)[] = wholes?.others ?? [undefined]
  for (const kind of dueKinds) {
    const before = figures.before[kind]
    if (before === undefined) continue
    // Open jobs are in no month.
    for (const within of kind === 'abandoned' ? [undefined] : ranges) {
      for await (const job of dueJobs(sql, policy, { kind, before, within })) {
        await lists[kind].add(job.jobId)
        figures.rows[kind]++
        count(figures, job)
      }
    }
  }
  return figures
}

function countMonth(
  figures: PruneFigures,
  { month, rows, isEstimate, bytes, oldest, newest }: DueMonth,
): void {
  figures.months.push({ month, jobs: rows.completed + rows.failed, isEstimate })
  figures.rows.completed += rows.completed
  figures.rows.failed += rows.failed
  figures.rowsAreEstimates ||= isEstimate
  if (oldest !== null) count(figures, { bytes, createdAt: oldest })
  if (newest !== null) count(figures, { bytes: 0, createdAt: newest })
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

function count(figures: PruneFigures, { bytes, createdAt }: Omit<DueJob, 'jobId'>): void {
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
  await finishMonths(services, options, result)
  await deleteMonths(services, figures, options, result)
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
  const { jobs, bytes } = await retire(services, policy, { ...batch, kept: keepObjects })
  await failPoint('prune:retired')
  result.jobs += jobs
  result.bytes += bytes
  result.left += batch.jobIds.length - jobs
  onJobs(jobs)
  await deleteObjects(services, options, result)
  return jobs
}

async function retire(
  { database: { sql }, lock }: Services,
  policy: PrunePolicy,
  batch: Omit<RetireOptions, 'lockId'>,
): Promise<{ jobs: number; bytes: number }> {
  for (;;) {
    const retired = await retireJobs(sql, policy, { ...batch, lockId: lock.id })
    if (retired) return retired
    // The lease has ended. Where nobody took the lock since, it is renewed, and the batch tried again.
    await lock.assertHeld()
  }
}

/** Deletes the objects of all tombstones that are due, then the tombstones. */
async function deleteObjects(
  services: Services,
  options: Pick<PruneOptions & PruneExecution, 'versions' | 'signal'>,
  result: PruneResult,
): Promise<void> {
  while (!options.signal.aborted) {
    const tombstones = await dueTombstones(services.database.sql, batchTombstones)
    if (tombstones.length === 0) return
    await removeObjectsOf(services, tombstones, options, result)
    await removeTombstones(
      services.database.sql,
      tombstones.map(({ jobId }) => jobId),
    )
    await failPoint('prune:deleted')
  }
}
