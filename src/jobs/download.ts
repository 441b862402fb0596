import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import pLimit from 'p-limit'
import type { Job } from '../database/query.ts'
import { objectErrors, RmbgError } from '../errors.ts'
import { writeAtomically } from '../process/outputs.ts'
import type { ObjectKind, ObjectStore } from '../store/contract.ts'
import { readStored } from '../store/verified.ts'

/** Objects on the way at once. */
const concurrency = 8

/** The objects of a job that are complete and known by checksum. */
function objectsOf(job: Job): { kind: ObjectKind; key: string; sha256: string }[] {
  if (job.status !== 'completed') return []
  return (['original', 'mask', 'processed'] as const).flatMap((kind) => {
    const key = job[`${kind}Path`]
    const sha256 = job[`${kind}Sha256`]
    return key === null || sha256 === null ? [] : [{ kind, key, sha256 }]
  })
}

export interface JobLinks {
  originalUrl?: string
  maskUrl?: string
  processedUrl?: string
}

/** The jobs, each completed one with a link to each of its objects that works for so many seconds. */
export const withLinks = (
  store: ObjectStore,
  jobs: readonly Job[],
  expiresSeconds: number,
): Promise<(Job & JobLinks)[]> =>
  Promise.all(jobs.map(async (job) => ({ ...job, ...(await linksOf(store, job, expiresSeconds)) })))

async function linksOf(store: ObjectStore, job: Job, expiresSeconds: number): Promise<JobLinks> {
  const links = objectsOf(job).map(async ({ kind, key }) => [
    `${kind}Url`,
    await store.link(key, expiresSeconds),
  ])
  return Object.fromEntries(await Promise.all(links))
}

/** Where an object is now, or why it is not there. */
export type Fetched = { key: string; path: string } | { key: string; error: RmbgError }

export interface Downloads {
  /** Files, as absolute paths. */
  downloaded: string[]
  /** Objects that are not in the store, or not as they were written; absent when there are none. */
  failed?: { key: string; code: string; message: string }[]
}

/**
 * Fetches objects of jobs as `folder/<kind>/<job id>.<extension>`, each compared with its checksum. A file that is
 * there already with the right content stays. An object that is missing or damaged keeps no other from being fetched.
 *
 * @param onObject is told of each as it comes
 * @returns in the order of jobs and kinds
 * @throws RmbgError OUTPUT_UNWRITABLE, or what a store throws that can give none at all
 */
export async function downloadJobs(
  store: ObjectStore,
  jobs: readonly Job[],
  {
    folder,
    kinds,
    onObject,
  }: { folder: string; kinds: readonly ObjectKind[]; onObject: (fetched: Fetched) => void },
): Promise<Downloads> {
  const wanted = jobs.flatMap(objectsOf).filter(({ kind }) => kinds.includes(kind))
  const limit = pLimit(concurrency)
  const fetched = await limit
    .map(wanted, async ({ kind, key, sha256 }) => {
      const path = join(folder, kind, posix.basename(key))
      const fetched = await download(store, { key, sha256 }, path)
      onObject(fetched)
      return fetched
    })
    .finally(() => limit.clearQueue()) // What keeps one from being fetched may keep the others, too.
  const failed = fetched.flatMap((object) =>
    'error' in object ? { key: object.key, code: object.error.code, message: object.error.message } : [],
  )
  return {
    downloaded: fetched.flatMap((object) => ('path' in object ? object.path : [])),
    ...(failed.length > 0 && { failed }),
  }
}

async function download(
  store: ObjectStore,
  { key, sha256 }: { key: string; sha256: string },
  path: string,
): Promise<Fetched> {
  try {
    if ((await digestOf(path)) !== sha256) await writeAtomically(path, await readStored(store, key, sha256))
    return { key, path }
  } catch (error) {
    if (error instanceof RmbgError && objectErrors.includes(error.code)) return { key, error }
    throw error
  }
}

/** @returns undefined where there is no such file */
async function digestOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path), hash)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new RmbgError('OUTPUT_UNWRITABLE', `${path} cannot be read.`, { cause })
  }
  return hash.digest('hex')
}
