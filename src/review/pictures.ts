/** The pictures of jobs as pages show them. Small ones are made once, and kept in a folder. */
import { mkdir, opendir, readFile, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { showable, thumbnail } from '../cutout/codec/preview.ts'
import type { Database } from '../database/contract.ts'
import { gathered } from '../database/gather.ts'
import { findJobs, type Job } from '../database/query.ts'
import { RmbgError } from '../errors.ts'
import type { ObjectKind, ObjectStore } from '../store/contract.ts'
import { type KeptObject, type OpenInputBucket, readKept } from '../store/referenced.ts'
import { writeAtomically } from '../system/files.ts'
import { completedJob } from './detail.ts'

/** Pixels of the longer side of a small picture; twice as many as a grid shows, for dense screens. */
const thumbnailSide = 384

export interface ShownPicture {
  bytes: Uint8Array
  contentType: string
}

export interface Pictures {
  /**
   * A small picture of a job's cut-out, or of its original where the cut-out was not kept.
   *
   * @param signal of whoever asks: who scrolls by wants none any more
   * @throws RmbgError NOT_FOUND where neither was kept; the signal's reason
   */
  thumbnail(jobId: string, signal?: AbortSignal): Promise<Uint8Array>
  /**
   * An object of a job, in a format that browsers show.
   *
   * @throws RmbgError NOT_FOUND where it was not kept
   */
  object(jobId: string, kind: ObjectKind): Promise<ShownPicture>
}

const jobOf = gathered<string, Job | undefined>(async (sql, jobIds) => {
  const jobs = await findJobs(sql, jobIds)
  return jobIds.map((jobId) => jobs.find((job) => job.jobId === jobId))
})

/** @param folder for small pictures, absolute; made when it is needed */
export function openPictures(
  { database, ...places }: { database: Database; store: ObjectStore; inputBucket?: OpenInputBucket },
  folder: string,
): Pictures {
  const limit = pLimit(Math.max(2, availableParallelism()))
  const make = async (jobId: string): Promise<Uint8Array> => {
    const job = await jobOf(database.sql, jobId)
    const object =
      job?.status === 'completed' ? (objectOf(job, 'processed') ?? objectOf(job, 'original')) : undefined
    if (!object) throw notKept(jobId, 'processed')
    const small = await thumbnail(await readKept(places, object), thumbnailSide)
    const file = fileOf(folder, jobId)
    await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
    // Without it, it is made again the next time: a full disk keeps nobody from looking.
    await writeAtomically(file, small, { what: 'small picture' }).catch(() => {})
    return small
  }
  return {
    thumbnail: async (jobId, signal) => {
      const kept = await readFile(fileOf(folder, jobId)).catch(() => undefined)
      if (kept) return kept
      return limit(async () => {
        signal?.throwIfAborted()
        return make(jobId)
      })
    },
    object: async (jobId, kind) => {
      const object = objectOf(await completedJob(database, jobId), kind)
      if (!object) throw notKept(jobId, kind)
      const bytes = await readKept(places, object)
      if (kind === 'mask') return { bytes, contentType: 'image/png' }
      return showable(bytes)
    },
  }
}

const notKept = (jobId: string, kind: ObjectKind): RmbgError =>
  new RmbgError('NOT_FOUND', `The store has no ${kind} of the job ${jobId}.`)

function objectOf(job: Job, kind: ObjectKind): KeptObject | undefined {
  const key = job[`${kind}Path`]
  const sha256 = job[`${kind}Sha256`]
  return key === null || sha256 === null ? undefined : { key, sha256, params: job.params }
}

/** The end of an id differs between jobs of one moment, so the folders are of one size. */
const fileOf = (folder: string, jobId: string): string => join(folder, jobId.slice(-2), `${jobId}.webp`)

/**
 * Removes the small pictures of jobs that are gone: what was pruned is not to be seen any more.
 *
 * @param signal ends it early
 */
export async function tidyPictures({ sql }: Database, folder: string, signal: AbortSignal): Promise<void> {
  const found: string[] = []
  const sift = async () => {
    const known = new Set((await findJobs(sql, found)).map(({ jobId }) => jobId))
    for (const jobId of found.splice(0))
      if (!known.has(jobId)) await rm(fileOf(folder, jobId), { force: true })
  }
  const names = await opendir(folder, { recursive: true }).catch(() => undefined)
  if (!names) return
  for await (const { name } of names) {
    if (signal.aborted) return
    const [, jobId] = /^([0-9a-f-]{36})\.webp$/.exec(name) ?? []
    if (jobId !== undefined) found.push(jobId)
    if (found.length >= 1000) await sift()
  }
  if (found.length > 0) await sift()
}
