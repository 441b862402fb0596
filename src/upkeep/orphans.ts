import type { Database } from '../database/contract.ts'
import { failForMissingObject, knownJobs, loggedObjects } from '../database/logged-objects.ts'
import { timeAgo } from '../database/sql-time.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { type ObjectKind, type ObjectStore, objectKinds, type StoredObject } from '../store/contract.ts'

/** What has lost its counterpart. */
export type Orphan =
  /** An object of ours whose job is not in the log. */
  | { type: 'object'; key: string; jobId: string; bytes: number }
  /** An object that a completed job does not name: an earlier try made it, in another format. */
  | { type: 'superseded'; key: string; jobId: string; bytes: number }
  /** A completed job one of whose objects is not in the store. */
  | { type: 'row'; key: string; jobId: string }
  /** An object under our prefixes that is not called like ours; never touched. */
  | { type: 'foreign'; key: string; bytes: number }

const ownKey =
  /^(?:original|mask|processed)\/\d{4}\/\d\d\/\d\d\/([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.[a-z0-9]{1,8}$/

/**
 * Compares log and store both ways, in one pass over each kind: job ids and keys have the same order, so two sorted
 * streams are merged and memory stays flat.
 *
 * @param grace interval of PostgreSQL; younger objects and jobs are left alone, for somebody may be working on them
 */
export async function* findOrphans(
  { database, store }: { database: Database; store: ObjectStore },
  { grace, signal, onObject }: { grace: string; signal: AbortSignal; onObject: () => void },
): AsyncGenerator<Orphan> {
  const before = await timeAgo(database.sql, grace)
  const beforeMs = Date.parse(before)
  for (const kind of objectKinds) {
    const objects = ownObjects(store, kind, signal, onObject)
    let object = await nextOf(objects)
    for await (const row of loggedObjects(database.sql, kind)) {
      signal.throwIfAborted()
      while (object && (object.jobId === undefined || object.jobId < row.jobId)) {
        yield* orphanOf(object, beforeMs)
        object = await nextOf(objects)
      }
      let isThere = false
      while (object?.jobId === row.jobId) {
        if (object.key === row.path) isThere = true
        else if (row.status === 'completed' && object.lastModified.getTime() < beforeMs)
          yield { type: 'superseded', key: object.key, jobId: row.jobId, bytes: object.size }
        object = await nextOf(objects)
      }
      const isOld = row.completedAt !== null && row.completedAt < before
      if (row.status === 'completed' && row.path !== null && !isThere && isOld)
        yield { type: 'row', key: row.path, jobId: row.jobId }
    }
    for (; object; object = await nextOf(objects)) yield* orphanOf(object, beforeMs)
  }
}

type OwnObject = StoredObject & { jobId: string | undefined }

async function* ownObjects(
  store: ObjectStore,
  kind: ObjectKind,
  signal: AbortSignal,
  onObject: () => void,
): AsyncGenerator<OwnObject> {
  for await (const object of store.list(`${kind}/`, signal)) {
    const jobId = ownKey.exec(object.key)?.[1]
    if (jobId !== undefined) onObject()
    yield { ...object, jobId }
  }
}

async function nextOf(objects: AsyncGenerator<OwnObject>): Promise<OwnObject | undefined> {
  const { value, done } = await objects.next()
  return done ? undefined : value
}

function* orphanOf({ key, jobId, size, lastModified }: OwnObject, beforeMs: number): Generator<Orphan> {
  if (jobId === undefined) yield { type: 'foreign', key, bytes: size }
  else if (lastModified.getTime() < beforeMs) yield { type: 'object', key, jobId, bytes: size }
}

export interface OrphanCounts {
  /** Objects of ours that were seen, with a job or without. */
  seen: number
  objects: number
  /** Of the objects. */
  bytes: number
  rows: number
  foreign: number
}

export interface SweepOptions {
  grace: string
  /** Leave the objects as they are. */
  keepObjects: boolean
  /** Leave the rows as they are. */
  keepRows: boolean
  /** Count only. */
  dryRun: boolean
  signal: AbortSignal
  onOrphan?: (orphan: Orphan) => void
}

/** Looked at again and removed together. */
const sweepBatch = 1000

/**
 * Removes objects without a job, and fails completed jobs without their objects, so that the next run makes them anew.
 * Both are looked at again before anything is changed: log and store were read one after the other.
 *
 * @returns what was found with `dryRun`, otherwise what was done
 * @throws RmbgError REFUSED when the store's clock cannot be trusted
 */
export async function sweepOrphans(
  services: { database: Database; store: ObjectStore },
  options: SweepOptions,
): Promise<OrphanCounts> {
  const { database, store } = services
  const counts: OrphanCounts = { seen: 0, objects: 0, bytes: 0, rows: 0, foreign: 0 }
  const failedJobs = new Set<string>()
  let waiting: Extract<Orphan, { type: 'object' | 'superseded' }>[] = []
  const removeWaiting = async () => {
    const batch = waiting
    waiting = []
    const known = await knownJobs(
      database.sql,
      batch.map(({ jobId }) => jobId),
    )
    const sure = batch.filter(({ type, jobId }) => type === 'superseded' || !known.has(jobId))
    if (!options.dryRun) {
      await store.remove(sure.map(({ key }) => key))
      await failPoint('prune:swept')
    }
    for (const orphan of sure) {
      counts.objects++
      counts.bytes += orphan.bytes
      options.onOrphan?.(orphan)
    }
  }
  const takesObjects = options.dryRun || !options.keepObjects
  const takesRows = options.dryRun || !options.keepRows
  const onObject = () => {
    counts.seen++
  }
  for await (const orphan of findOrphans(services, { ...options, onObject })) {
    if (orphan.type === 'foreign') {
      counts.foreign++
      options.onOrphan?.(orphan)
    } else if (orphan.type === 'row') {
      if (!takesRows || failedJobs.has(orphan.jobId)) continue
      if (await store.head(orphan.key, options.signal)) continue
      failedJobs.add(orphan.jobId)
      if (!options.dryRun && !(await failForMissingObject(database.sql, orphan.jobId, orphan.key))) continue
      counts.rows++
      options.onOrphan?.(orphan)
    } else if (takesObjects) {
      waiting.push(orphan)
      if (waiting.length >= sweepBatch) await removeWaiting()
    }
  }
  await removeWaiting()
  if (!options.dryRun) await database.flush()
  return counts
}

/**
 * Objects without a job may belong to another database that uses the same bucket: many of them are no accident.
 *
 * @param maxShare percent of all objects
 * @throws RmbgError REFUSED
 */
export function assertFewOrphans({ objects, seen }: OrphanCounts, maxShare: number): void {
  const share = (100 * objects) / Math.max(seen, 1)
  if (share <= maxShare) return
  throw new RmbgError(
    'REFUSED',
    `${objects} of ${seen} objects (${share.toFixed(1)}%) have no job here, more than --max-share ${maxShare}% allows.`,
    {
      hint: 'Does another database use this store? Its objects would be removed. If not, raise --max-share.',
    },
  )
}

/** @throws RmbgError REFUSED when an object of the store lies in the future */
export async function assertStoreClock(store: ObjectStore, signal: AbortSignal): Promise<void> {
  for await (const { key, lastModified } of store.list('original/', signal)) {
    if (lastModified.getTime() - Date.now() < 5 * 60_000) return
    throw new RmbgError('REFUSED', `The object ${key} was written in the future, so no age can be trusted.`, {
      hint: 'Set the clocks of this machine and of the store.',
    })
  }
}
