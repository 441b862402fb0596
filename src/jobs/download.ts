import { extname, join } from 'node:path'
import pLimit from 'p-limit'
import type { Job } from '../database/query.ts'
import { objectErrors, RmbgError } from '../errors.ts'
import type { ObjectKind, ObjectStore } from '../store/contract.ts'
import {
  isReference,
  linkToReferenced,
  type OpenInputBucket,
  readKept,
  referencedOriginal,
} from '../store/referenced.ts'
import { lookAt, writeAtomically } from '../system/files.ts'
import { sha256OfFile } from '../system/sha256.ts'

/** Objects on the way at once. */
const concurrency = 8

/** Where the objects of jobs are: in the store, or originals in the buckets that they were referenced in. */
export interface Places {
  store: ObjectStore
  inputBucket: OpenInputBucket
}

/** @param services that open them when they are first needed */
export const placesOf = async (services: {
  store: () => Promise<ObjectStore>
  inputBucket: OpenInputBucket
}): Promise<Places> => ({ store: await services.store(), inputBucket: services.inputBucket })

interface JobObject {
  jobId: string
  kind: ObjectKind
  /** Of an original that is referenced, its address. */
  key: string
  sha256: string
  /** Of the job. */
  params: unknown
}

/** The objects of a job that are complete and known by checksum. */
function objectsOf(job: Job): JobObject[] {
  if (job.status !== 'completed') return []
  return kindsOf(job).flatMap((kind) => {
    const key = job[`${kind}Path`]
    const sha256 = job[`${kind}Sha256`]
    const { jobId, params } = job
    return key === null || sha256 === null ? [] : [{ jobId, kind, key, sha256, params }]
  })
}

/** Which there is something of: what was kept, and an original that is referenced. */
const kindsOf = ({ kept, originalPath }: Job): ObjectKind[] =>
  originalPath !== null && isReference(originalPath) ? ['original', ...kept] : kept

/** Those of the kinds of objects that a completed job has no object of. */
function notKeptOf(job: Job, kinds: readonly ObjectKind[]): { jobId: string; kind: ObjectKind }[] {
  if (job.status !== 'completed') return []
  const there = kindsOf(job)
  return kinds.flatMap((kind) => (there.includes(kind) ? [] : { jobId: job.jobId, kind }))
}

/** `originalUrl`, `maskUrl` and `processedUrl`. */
export type JobLinks = { [Kind in ObjectKind as `${Kind}Url`]?: string }

/** The jobs, each completed one with a link to each of its objects that works for so many seconds (up to 604800). */
export const withLinks = (
  places: Places,
  jobs: readonly Job[],
  expiresSeconds: number,
): Promise<(Job & JobLinks)[]> =>
  Promise.all(jobs.map(async (job) => ({ ...job, ...(await linksOf(places, job, expiresSeconds)) })))

async function linksOf({ store, inputBucket }: Places, job: Job, expiresSeconds: number): Promise<JobLinks> {
  const links: JobLinks = {}
  for (const { kind, key, sha256, params } of objectsOf(job)) {
    links[`${kind}Url`] = isReference(key)
      ? await linkToReferenced(inputBucket, referencedOriginal(key, sha256, params), expiresSeconds)
      : await store.link(key, expiresSeconds)
  }
  return links
}

/** Why nobody wants the objects of a job who does not name it: a person has rejected it, or another version counts. */
export type LeftOutReason = 'rejected' | 'superseded'

export interface DownloadChoice {
  /** The jobs were named one by one: each is meant. */
  byId?: boolean
  /** Rejected ones are asked for. */
  rejectedToo?: boolean
}

function leftOutReason(
  job: Job,
  { byId = false, rejectedToo = false }: DownloadChoice,
): LeftOutReason | undefined {
  if (byId) return undefined
  if (job.supersededBy !== null) return 'superseded'
  return job.verdict === 'rejected' && !rejectedToo ? 'rejected' : undefined
}

/**
 * Where an object is now, or why it is not there. `kept`: something else is in its place and stays. `notKept`: the run
 * that made it did not store it. `leftOut`: see `LeftOutReason`.
 */
export type Fetched =
  | { notKept: ObjectKind; jobId: string }
  | { leftOut: LeftOutReason; jobId: string }
  | { key: string; path: string }
  | { key: string; kept: string }
  | { key: string; error: RmbgError }

export interface Downloads {
  /** Files, as absolute paths. */
  downloaded: string[]
  /** Files in the place of objects that hold something else, as absolute paths; absent when there are none. */
  kept?: string[]
  /** Objects that the runs that made them did not store (`--keep`); absent when there are none. */
  notKept?: { jobId: string; kind: ObjectKind }[]
  /** Jobs that were rejected in a review, or done again there; absent when there are none. */
  leftOut?: { jobId: string; reason: LeftOutReason }[]
  /** Objects that are not in the store, or not as they were written; absent when there are none. */
  failed?: { key: string; code: string; message: string }[]
}

/**
 * Fetches objects of jobs as `folder/<kind>/<job id>.<extension>`, each compared with its checksum. A file that is
 * there already stays, with the right content or any other; `overwrite` replaces the latter. An object that is missing or damaged keeps no other from being fetched.
 *
 * @param onObject is told of each as it comes
 * @returns in the order of jobs and kinds
 * @throws RmbgError OUTPUT_UNWRITABLE, or what a store throws that can give none at all
 */
export async function downloadJobs(
  places: Places,
  jobs: readonly Job[],
  {
    folder,
    kinds,
    overwrite,
    onObject,
    ...choice
  }: DownloadChoice & {
    folder: string
    kinds: readonly ObjectKind[]
    overwrite: boolean
    onObject: (fetched: Fetched) => void
  },
): Promise<Downloads> {
  const judged = jobs.map((job) => ({ job, reason: leftOutReason(job, choice) }))
  const leftOut = judged.flatMap(({ job: { jobId }, reason }) => (reason ? [{ jobId, reason }] : []))
  for (const { jobId, reason } of leftOut) onObject({ leftOut: reason, jobId })
  const meant = judged.flatMap(({ job, reason }) => (reason ? [] : [job]))
  const wanted = meant.flatMap(objectsOf).filter(({ kind }) => kinds.includes(kind))
  const notKept = meant.flatMap((job) => notKeptOf(job, kinds))
  for (const { kind, jobId } of notKept) onObject({ notKept: kind, jobId })
  const limit = pLimit(concurrency)
  const fetched = await limit
    .map(wanted, async (object) => {
      const { jobId, kind, key } = object
      const path = join(folder, kind, `${jobId}${extname(key)}`)
      const fetched = await download(places, object, { path, overwrite })
      onObject(fetched)
      return fetched
    })
    .finally(() => limit.clearQueue()) // What keeps one from being fetched may keep the others, too.
  const failed = fetched.flatMap((object) =>
    'error' in object ? { key: object.key, code: object.error.code, message: object.error.message } : [],
  )
  const kept = fetched.flatMap((object) => ('kept' in object ? object.kept : []))
  return {
    downloaded: fetched.flatMap((object) => ('path' in object ? object.path : [])),
    ...(kept.length > 0 && { kept }),
    ...(notKept.length > 0 && { notKept }),
    ...(leftOut.length > 0 && { leftOut }),
    ...(failed.length > 0 && { failed }),
  }
}

async function download(
  places: Places,
  { key, sha256, params }: JobObject,
  { path, overwrite }: { path: string; overwrite: boolean },
): Promise<Fetched> {
  try {
    const present = await lookAt(path)
    if (present.kind === 'file' && (await digestOf(path)) === sha256) return { key, path }
    // A folder cannot be replaced; the writing says so.
    const isInTheWay = present.kind !== 'nothing' && present.kind !== 'folder'
    if (isInTheWay && !overwrite) return { key, kept: path }
    const bytes = await readKept(places, { key, sha256, params })
    const over = present.kind === 'nothing' && !overwrite ? 'nothing' : 'anything'
    return (await writeAtomically(path, bytes, { over })) ? { key, path } : { key, kept: path }
  } catch (error) {
    if (error instanceof RmbgError && isOfOneObject(error)) return { key, error }
    throw error
  }
}

/** It says nothing of the others. */
const isOfOneObject = ({ code, family }: RmbgError): boolean =>
  objectErrors.includes(code) || (family === 'image' && code.startsWith('INPUT_'))

/** @returns undefined for a file that cannot be read, which is then not known to be the right one */
const digestOf = (path: string): Promise<string | undefined> => sha256OfFile(path).catch(() => undefined)
