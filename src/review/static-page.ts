/** The grid of a review as a page that needs no server: for artifacts of CI, and to be sent around. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { thumbnail } from '../cutout/codec/preview.ts'
import type { Database } from '../database/contract.ts'
import type { JobFilter } from '../database/filters.ts'
import { findJobs, type Job } from '../database/query.ts'
import { RmbgError } from '../errors.ts'
import { reportFile } from '../jobs/report-file.ts'
import type { ObjectKind, ObjectStore } from '../store/contract.ts'
import { readVerified } from '../store/verified.ts'
import { writeAtomically } from '../system/files.ts'
import type { StaticReview, StaticTile } from './contract.ts'
import { reviewOf } from './detail.ts'
import { readPageFiles, standalonePage } from './page-files.ts'
import { tilePage } from './tiles.ts'

/** Pixels of the longer side: large enough to judge by, for a page of hundreds. */
const pictureSide = 640
const folderName = 'pictures'

export interface StaticPageOptions {
  /** Absolute; made when it is missing. */
  folder: string
  filter: JobFilter
  /** Of the command line, in words. */
  filters: string
  /** Jobs at most, the most doubtful ones. */
  limit: number
  overwrite: boolean
}

export interface StaticPage {
  /** Absolute. */
  file: string
  jobs: number
  /** Whether there are more jobs than these. */
  isCut: boolean
  /** Jobs without a picture: it was not kept, or is not in the store as it was written. */
  withoutPicture: number
}

/**
 * Writes `index.html` and a folder of small pictures beside it. An earlier page that nobody changed is replaced.
 *
 * @throws RmbgError USAGE where something else is in its place; OUTPUT_UNWRITABLE; of families `database` and `store`
 */
export async function writeStaticPage(
  { database, store }: { database: Database; store: ObjectStore },
  { folder, filter, filters, limit, overwrite }: StaticPageOptions,
): Promise<StaticPage> {
  const file = join(folder, 'index.html')
  const target = await reportFile(file, { overwrite })
  const page = await tilePage(database, filter, undefined, limit)
  const jobs = new Map(
    (page.jobs.length === 0
      ? []
      : await findJobs(
          database.sql,
          page.jobs.map(({ jobId }) => jobId),
        )
    ).map((job) => [job.jobId, job]),
  )
  const pictures = join(folder, folderName)
  await mkdir(pictures, { recursive: true }).catch((cause) => {
    throw new RmbgError('OUTPUT_UNWRITABLE', `The folder ${pictures} cannot be made.`, { cause })
  })
  const work = pLimit(Math.max(2, availableParallelism()))
  const tiles = await work.map(page.jobs, async (tile): Promise<StaticTile> => {
    const job = jobs.get(tile.jobId)
    return {
      ...tile,
      picture: job ? await pictureOf(store, job, 'processed', pictures) : null,
      before: job ? await pictureOf(store, job, 'original', pictures) : null,
      model: job?.model ?? null,
      violations: job ? reviewOf(job).violations : [],
    }
  })
  const isCut = page.next !== undefined
  const data: StaticReview = { filters, madeAt: new Date().toISOString(), isCut, tiles }
  await target.write(standalonePage(await readPageFiles(), data))
  await removeOthers(pictures, tiles)
  return {
    file,
    jobs: tiles.length,
    isCut,
    withoutPicture: tiles.filter(({ picture }) => picture === null).length,
  }
}

/** @returns the path beside the page; null for what was not kept, or is not there as it was written */
async function pictureOf(
  store: ObjectStore,
  job: Job,
  kind: ObjectKind & ('original' | 'processed'),
  folder: string,
): Promise<string | null> {
  const key = job[`${kind}Path`]
  const sha256 = job[`${kind}Sha256`]
  if (key === null || sha256 === null) return null
  const name = `${job.jobId}-${kind}.webp`
  try {
    const small = await thumbnail(await readVerified(store, key, sha256), pictureSide)
    await writeAtomically(join(folder, name), small, { what: 'picture' })
  } catch (error) {
    // One picture that is lost or damaged keeps nobody from seeing the others.
    const isOfOne =
      error instanceof RmbgError &&
      (error.family === 'image' || ['STORE_OBJECT_MISSING', 'STORE_OBJECT_DAMAGED'].includes(error.code))
    if (isOfOne && error.code !== 'OUTPUT_UNWRITABLE') return null
    throw error
  }
  return `${folderName}/${name}`
}

/** Pictures of an earlier page; nothing else in the folder is ours. */
async function removeOthers(folder: string, tiles: readonly StaticTile[]): Promise<void> {
  const named = new Set(tiles.flatMap(({ picture, before }) => [picture, before]))
  for (const name of await readdir(folder)) {
    if (!/^[0-9a-f-]{36}-(?:original|processed)\.webp$/.test(name) || named.has(`${folderName}/${name}`))
      continue
    await rm(join(folder, name), { force: true })
  }
}
