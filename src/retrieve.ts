import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Job } from './database/query.ts'
import { RmbgError } from './errors.ts'
import { writeAtomically } from './outputs.ts'
import type { ObjectKind, ObjectStore } from './store/contract.ts'
import { readStored } from './stored.ts'

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

/** A link to each object of a completed job, good for so many seconds; none for other jobs. */
export async function linksOf(store: ObjectStore, job: Job, expiresSeconds: number): Promise<JobLinks> {
  const links = objectsOf(job).map(async ({ kind, key }) => [
    `${kind}Url`,
    await store.link(key, expiresSeconds),
  ])
  return Object.fromEntries(await Promise.all(links))
}

/**
 * Fetches objects of a job as `folder/<kind>/<job id>.<extension>`, each compared with its checksum. A file that is
 * there already with the right content stays.
 *
 * @returns absolute paths
 * @throws RmbgError STORE_CHECKSUM, STORE_OBJECT_MISSING, OUTPUT_UNWRITABLE
 */
export async function downloadJob(
  store: ObjectStore,
  job: Job,
  { folder, kinds }: { folder: string; kinds: readonly ObjectKind[] },
): Promise<string[]> {
  const paths: string[] = []
  for (const { kind, key, sha256 } of objectsOf(job)) {
    if (!kinds.includes(kind)) continue
    const path = join(folder, kind, posix.basename(key))
    if ((await digestOf(path)) !== sha256) await writeAtomically(path, await readStored(store, key, sha256))
    paths.push(path)
  }
  return paths
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
