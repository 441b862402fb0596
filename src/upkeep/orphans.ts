import pLimit from 'p-limit'
import type { Database } from '../database/contract.ts'
import { failForMissingObject, knownJobs, type LoggedJob, loggedJobs } from '../database/logged-objects.ts'
import { type SharingJob, sharingJobs } from '../database/shared-originals.ts'
import { timeAgo } from '../database/sql-time.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectKind, ObjectStore, StoredObject } from '../store/contract.ts'
import { keyParts } from '../store/keys.ts'
import { mergeSorted } from '../store/merge-sorted.ts'
import { inBatches, type LongList, longList } from './long-list.ts'
import { neededKeys } from './needed-keys.ts'
import { type RemovalPlan, shareOf } from './plan.ts'

/** What has lost its counterpart. */
export type Orphan =
  /** An object of ours whose job is not in the log. */
  | { type: 'object'; key: string; jobId: string; bytes: number }
  /** An object that its completed job does not name: another attempt made it. */
  | { type: 'superseded'; key: string; jobId: string; bytes: number }
  /** A completed job, and the first of its objects that is not in the store. */
  | { type: 'row'; key: string; jobId: string }

/** An object under our prefixes that is not called like ours; never touched. */
export interface ForeignObject {
  type: 'foreign'
  key: string
}

export interface OrphanFigures {
  /** Objects of ours that were seen, with a job or without. */
  seen: number
  /** Objects to remove. */
  objects: number
  /** Of these objects. */
  bytes: number
  /** Completed jobs in the log. */
  completed: number
  /** Of these, jobs to fail. */
  rows: number
  /** Objects that are not ours. */
  foreign: number
}

export interface OrphanResult {
  /** Objects removed. */
  objects: number
  /** Of these objects. */
  bytes: number
  /** Jobs failed. */
  rows: number
  /** Of the plan, but no orphans any more when their turn came. */
  left: number
  interrupted: boolean
}

export interface OrphanOptions {
  /** Interval of PostgreSQL; younger objects and jobs are left alone, for somebody may be working on them. */
  grace: string
  /** Percent of all objects that may be removed, and of all completed jobs that may be failed. */
  maxShare: number
  /** Plan no removal of objects. */
  keepObjects: boolean
  /** Plan no failure of jobs. */
  keepRows: boolean
  signal: AbortSignal
  /** Is told of each orphan of the plan, and of what is not ours. */
  onOrphan: (orphan: Orphan | ForeignObject) => void
}

/** After an abort, `execute` finishes the batch at hand. */
export type OrphanPlan = RemovalPlan<OrphanFigures, { signal: AbortSignal }, OrphanResult>

interface Services {
  database: Database
  store: ObjectStore
}

/** Looked at again, and removed, together. */
const batchOrphans = 1000
/** Questions to the store at once. */
const concurrency = 8

/**
 * Compares log and store both ways. Executed, the plan removes objects without a job, and fails completed jobs without
 * their objects so that the next run makes them anew. Reads only.
 *
 * @throws RmbgError REFUSED when the store's clock cannot be trusted
 */
export async function planOrphans(services: Services, options: OrphanOptions): Promise<OrphanPlan> {
  const { database, store } = services
  const { keepObjects, keepRows, signal, onOrphan } = options
  await assertStoreClock(store, signal)
  const figures: OrphanFigures = { seen: 0, objects: 0, bytes: 0, completed: 0, rows: 0, foreign: 0 }
  const before = await timeAgo(database.sql, options.grace)
  const planned = longList<Orphan>()
  const found = findOrphans(services, {
    ...{ before, signal },
    onObject: () => figures.seen++,
    onCompleted: () => figures.completed++,
    onForeign: (key) => {
      figures.foreign++
      onOrphan({ type: 'foreign', key })
    },
  })
  const isWanted = ({ type }: Orphan) => !(type === 'row' ? keepRows : keepObjects)
  try {
    for await (const batch of inBatches(found, batchOrphans)) {
      for (const orphan of await stillOrphans(services, batch.filter(isWanted))) {
        await planned.add(orphan)
        if (orphan.type === 'row') figures.rows++
        else {
          figures.objects++
          figures.bytes += orphan.bytes
        }
        onOrphan(orphan)
      }
    }
  } catch (error) {
    await planned.close()
    throw error
  }
  const assertAllowed = () => assertFewOrphans(figures, options.maxShare)
  return {
    figures,
    assertAllowed,
    execute: async (how) => {
      assertAllowed()
      return removeOrphans(services, planned, { ...how, before })
    },
    close: planned.close,
  }
}

interface SearchOptions {
  /** What was written or completed later is left alone. */
  before: string
  signal: AbortSignal
  onObject: () => void
  /** Is told of each completed job. */
  onCompleted: () => void
  onForeign: (key: string) => void
}

/**
 * Keys have the order of their job ids, and those of one job, whatever their attempts, stand together. So log and store
 * are read side by side, once, with flat memory. A job that shares an original comes twice: with its own id, and with
 * the one that the original is under.
 */
async function* findOrphans({ database, store }: Services, options: SearchOptions): AsyncGenerator<Orphan> {
  const objects = (kind: ObjectKind) => ({
    items: ownObjects(store, kind, options),
    keyOf: ({ jobId }: OwnObject) => jobId,
  })
  const steps = mergeSorted<[LoggedJob, Sharing, OwnObject, OwnObject, OwnObject]>(
    { items: loggedJobs(database.sql), keyOf: ({ jobId }) => jobId },
    { items: sharing(database), keyOf: ({ ownerId }) => ownerId },
    objects('original'),
    objects('mask'),
    objects('processed'),
  )
  for await (const { items } of steps) {
    options.signal.throwIfAborted()
    const [[job], sharers, ...found] = items
    const objects = found.flat()
    const unshared = objects.filter(({ key }) => !sharers.some((sharer) => sharer.key === key))
    if (job) yield* orphansOfJob(job, unshared, objects, options)
    else for (const { key, jobId, size } of old(unshared, options)) yield orphan('object', key, jobId, size)
    for (const sharer of sharers) {
      const isThere = objects.some(({ key }) => key === sharer.key)
      if (!isThere && sharer.completedAt < options.before && (await hasObjects(store, sharer.otherKeys)))
        yield { type: 'row', key: sharer.key, jobId: sharer.jobId }
    }
  }
}

/** @param unshared those of the objects that no other job names */
function* orphansOfJob(
  job: LoggedJob,
  unshared: OwnObject[],
  objects: OwnObject[],
  options: SearchOptions,
): Generator<Orphan> {
  if (job.status !== 'completed') return
  options.onCompleted()
  for (const { key, jobId, size } of old(unshared, options)) {
    if (!job.keys.includes(key)) yield orphan('superseded', key, jobId, size)
  }
  const isUnder = (key: string) => (keyParts(key)?.jobId ?? job.jobId) === job.jobId
  const missing = job.keys.find((key) => isUnder(key) && !objects.some((object) => object.key === key))
  const isOld = job.completedAt !== null && job.completedAt < options.before
  if (missing !== undefined && isOld) yield { type: 'row', key: missing, jobId: job.jobId }
}

type Sharing = SharingJob & {
  /** The job under whose id the original is. */
  ownerId: string
}

async function* sharing({ sql }: Database): AsyncGenerator<Sharing> {
  for await (const job of sharingJobs(sql)) {
    const ownerId = keyParts(job.key)?.jobId
    if (ownerId !== undefined) yield { ...job, ownerId }
  }
}

/** Where one of these is missing too, the job was found under its own id, and counts once. */
async function hasObjects(store: ObjectStore, keys: readonly string[]): Promise<boolean> {
  const found = await Promise.all(keys.map((key) => store.head(key)))
  return found.every((object) => object !== undefined)
}

const orphan = (type: 'object' | 'superseded', key: string, jobId: string, bytes: number): Orphan => ({
  ...{ type, key, jobId, bytes },
})

const old = (objects: readonly OwnObject[], { before }: SearchOptions): OwnObject[] =>
  objects.filter(({ lastModified }) => lastModified.getTime() < Date.parse(before))

type OwnObject = StoredObject & { jobId: string }

async function* ownObjects(
  store: ObjectStore,
  kind: ObjectKind,
  { signal, onObject, onForeign }: SearchOptions,
): AsyncGenerator<OwnObject> {
  for await (const object of store.list(`${kind}/`, signal)) {
    // A key under another day than its job's would break the order of ids.
    const jobId = keyParts(object.key)?.jobId
    if (jobId === undefined) onForeign(object.key)
    else {
      onObject()
      yield { ...object, jobId }
    }
  }
}

/** Those that are orphans at this moment too: log and store are read one after the other, and go on changing. */
async function stillOrphans({ database, store }: Services, orphans: readonly Orphan[]): Promise<Orphan[]> {
  const ids = orphans.flatMap(({ type, jobId }) => (type === 'row' ? [] : jobId))
  const known = await knownJobs(database.sql, [...new Set(ids)])
  const needed = await neededKeys(
    database.sql,
    orphans.flatMap(({ type, key }) => (type === 'row' ? [] : key)),
  )
  const limit = pLimit(concurrency)
  const answers = await limit.map(orphans, async ({ type, key, jobId }) => {
    if (type === 'row') return (await store.head(key)) === undefined
    if (needed.has(key)) return false
    const job = known.get(jobId)
    if (type === 'object') return job === undefined
    return job?.status === 'completed' && !job.keys.includes(key)
  })
  return orphans.filter((_, index) => answers[index])
}

async function removeOrphans(
  services: Services,
  planned: LongList<Orphan>,
  { before, signal }: { before: string; signal: AbortSignal },
): Promise<OrphanResult> {
  const { database, store } = services
  const result: OrphanResult = { objects: 0, bytes: 0, rows: 0, left: 0, interrupted: false }
  for await (const batch of inBatches(planned.values(), batchOrphans)) {
    if (signal.aborted) {
      result.interrupted = true
      break
    }
    const orphans = await stillOrphans(services, batch)
    result.left += batch.length - orphans.length
    const objects = orphans.flatMap((each) => (each.type === 'row' ? [] : each))
    await store.remove(objects.map(({ key }) => key))
    await failPoint('orphans:removed')
    result.objects += objects.length
    result.bytes += objects.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { type, key, jobId } of orphans) {
      if (type !== 'row') continue
      if (await failForMissingObject(database.sql, { jobId, key, before })) result.rows++
      else result.left++
    }
  }
  await database.flush()
  return result
}

/**
 * Many objects without a job are no accident: the log may be older than they are, as after a restore. Nor are many jobs
 * without their objects: this may be another store than theirs.
 */
function assertFewOrphans({ objects, seen, rows, completed }: OrphanFigures, maxShare: number): void {
  const failing = shareOf(rows, completed)
  if (failing > maxShare) {
    throw new RmbgError(
      'REFUSED',
      `${rows} of ${completed} completed jobs (${failing.toFixed(1)}%) lack an object in the store, more than --max-share ${maxShare}% allows.`,
      {
        hint: 'Check that this is the store of these jobs, and whole. If their objects are lost, raise --max-share; --keep-rows leaves the jobs as they are.',
      },
    )
  }
  const share = shareOf(objects, seen)
  if (share <= maxShare) return
  throw new RmbgError(
    'REFUSED',
    `${objects} of ${seen} objects (${share.toFixed(1)}%) have no job here, more than --max-share ${maxShare}% allows.`,
    {
      hint: 'If the log is that of an older backup, these objects are all that is left of their jobs. If that is not so, raise --max-share.',
    },
  )
}

async function assertStoreClock(store: ObjectStore, signal: AbortSignal): Promise<void> {
  for await (const { key, lastModified } of store.list('original/', signal)) {
    if (lastModified.getTime() - Date.now() < 5 * 60_000) return
    throw new RmbgError('REFUSED', `The object ${key} was written in the future, so no age can be trusted.`, {
      hint: 'Set the clocks of this machine and of the store.',
    })
  }
}
