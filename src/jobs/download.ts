import { join, posix } from 'node:path'
import pLimit from 'p-limit'
import type { Job } from '../database/query.ts'
import { objectErrors, RmbgError } from '../errors.ts'
import { writeAtomically } from '../files.ts'
import { sha256OfFile } from '../sha256.ts'
import { type ObjectKind, type ObjectStore, objectKinds } from '../store/contract.ts'
import { readStored } from '../store/verified.ts'

/** Objects on the way at once. */
const concurrency = 8

/** The objects of a job that are complete and known by checksum. */
function objectsOf(job: Job): { kind: ObjectKind; key: string; sha256: string }[] {
  if (job.status !== 'completed') return []
  return objectKinds.flatMap((kind) => {
    const key = job[`${kind}Path`]
    const sha256 = job[`${kind}Sha256`]
    return key === null || sha256 === null ? [] : [{ kind, key, sha256 }]
  })
}

/** `originalUrl`, `maskUrl` and `processedUrl`. */
export type JobLinks = { [Kind in ObjectKind as `${Kind}Url`]?: string }

/**
 * A link to each object of a completed job; none for other jobs.
 *
 * @param expiresSeconds 1 to 604800, a week
 */
export async function linksOf(store: ObjectStore, job: Job, expiresSeconds: number): Promise<JobLinks> {
  const links: JobLinks = {}
  for (const { kind, key } of objectsOf(job)) links[`${kind}Url`] = await store.link(key, expiresSeconds)
  return links
}

/** Where an object is now, or why it is not there. */
export type Fetched = { key: string; path: string } | { key: string; error: RmbgError }

/**
 * Fetches objects of jobs as `folder/<kind>/<job id>.<extension>`, each compared with its checksum. A file that is
 * there already with the right content stays. An object that is missing or damaged keeps no other from being fetched.
 *
 * @param onObject is told of each as it comes
 * @returns in the order of jobs and kinds, paths absolute
 * @throws RmbgError OUTPUT_UNWRITABLE, or what a store throws that can give none at all
 */
export function downloadJobs(
  store: ObjectStore,
  jobs: readonly Job[],
  {
    folder,
    kinds,
    onObject,
  }: { folder: string; kinds: readonly ObjectKind[]; onObject: (fetched: Fetched) => void },
): Promise<Fetched[]> {
  const wanted = jobs.flatMap(objectsOf).filter(({ kind }) => kinds.includes(kind))
  const limit = pLimit(concurrency)
  const fetching = limit.map(wanted, async ({ kind, key, sha256 }) => {
    const path = join(folder, kind, posix.basename(key))
    const fetched = await download(store, { key, sha256 }, path)
    onObject(fetched)
    return fetched
  })
  // Where one cannot be fetched for a reason that the others would meet too, they are not asked for.
  return fetching.finally(() => limit.clearQueue())
}

async function download(
  store: ObjectStore,
  { key, sha256 }: { key: string; sha256: string },
  path: string,
): Promise<Fetched> {
  try {
    if ((await presentDigest(path)) !== sha256)
      await writeAtomically(path, await readStored(store, key, sha256))
    return { key, path }
  } catch (error) {
    if (error instanceof RmbgError && objectErrors.includes(error.code)) return { key, error }
    throw error
  }
}

/** @returns undefined where there is no such file */
async function presentDigest(path: string): Promise<string | undefined> {
  try {
    return await sha256OfFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new RmbgError('OUTPUT_UNWRITABLE', `${path} cannot be read.`, { cause })
  }
}
