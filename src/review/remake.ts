/** What a review changes: a cut-out is made again, mended by hand, or put back as it was. */
import pLimit from 'p-limit'
import { asMask } from '../cutout/codec/preview.ts'
import type { Database } from '../database/contract.ts'
import { findCompletedJob } from '../database/jobs.ts'
import { findJobs, type Job } from '../database/query.ts'
import { foldUsage } from '../database/usage.ts'
import { chooseVersion, type VersionKind, versionsOf } from '../database/versions.ts'
import { RmbgError } from '../errors.ts'
import { type AgainOptions, makeAgain } from '../process/again.ts'
import type { Masks } from '../process/contract.ts'
import { type CutoutChanges, recipeAgain } from '../settings/recorded-cutout.ts'
import type { ObjectStore } from '../store/contract.ts'
import type { OpenInputBucket } from '../store/referenced.ts'
import type { Remade } from './contract.ts'
import { completedJob } from './detail.ts'
import { replaceInFolder } from './output-folder.ts'

export interface RemakeServices {
  database: Database
  store: ObjectStore
  /** Opens the buckets of inputs, for originals that are referenced there. */
  inputBucket: OpenInputBucket
  /**
   * Makes sure that the store may be written to.
   *
   * @throws RmbgError REFUSED
   */
  own: () => Promise<void>
  /** The masks of a model by its name; kept open until another one is asked for. */
  masksOf: (model: string) => Promise<Exclude<Masks, 'from-store'>>
}

export interface RemakeOptions extends AgainOptions {
  who: string
  /** Absolute; holds local cut-outs, which follow. */
  output: string | undefined
}

export interface Remakes {
  /**
   * Makes a cut-out again, with changed settings and, where one is named, another model.
   *
   * @throws RmbgError what the picture failed of, USAGE for a setting that is not usable
   */
  redo(jobId: string, wish: { model?: string | undefined; changes: CutoutChanges }): Promise<Remade>
  /**
   * Makes a cut-out of a mask that a person has mended.
   *
   * @param mask the file of a PNG as large as the original
   * @throws RmbgError USAGE for another picture
   */
  mend(jobId: string, mask: Uint8Array): Promise<Remade>
  /** Makes an earlier version the one that counts again. @throws RmbgError NOT_FOUND for what is no version of it */
  putBack(jobId: string, version: string): Promise<Remade>
}

export function openRemakes(services: RemakeServices, options: RemakeOptions): Remakes {
  const { database, store } = services
  // One at a time: a model takes all cores, and another one the memory of the one before.
  const limit = pLimit(1)

  async function make(
    job: Job,
    how: VersionKind,
    changes: CutoutChanges,
    from: { masks: Masks; mendedMask?: Uint8Array },
  ): Promise<Remade> {
    const recipe = await recipeAgain(job.params, changes)
    await services.own()
    const made = await makeAgain(services, options, {
      ...recipe,
      ...from,
      jobId: job.jobId,
      name: job.sourceName ?? job.jobId,
      keep: job.kept,
      user: job.userId,
      tags: job.tags,
    })
    await foldUsage(database.sql).catch(() => {}) // what is not folded counts all the same
    if (made.jobId === job.jobId) return { ...made, files: [] }
    return { ...made, files: await choose(job.jobId, made.jobId, how) }
  }

  async function choose(jobId: string, version: string, how: VersionKind): Promise<string[]> {
    await chooseVersion(database.sql, { of: jobId, jobId: version, how, by: options.who })
    await database.flush()
    if (options.output === undefined) return []
    const known = await Promise.all(
      (await versionsOf(database.sql, version)).map((each) => findCompletedJob(database.sql, each.jobId)),
    )
    const jobs = known.flatMap((job) => job ?? [])
    const current = jobs.find((job) => job.jobId === version)
    const old = jobs.filter((job) => job.jobId !== version)
    return current ? replaceInFolder(options.output, store, { old, current }) : []
  }

  return {
    redo: (jobId, { model, changes }) =>
      limit(async () => {
        const job = await completedJob(database, jobId)
        const ownMask = model === undefined && job.maskPath !== null
        const masks = ownMask ? ('from-store' as const) : await services.masksOf(model ?? job.model ?? 'auto')
        return make(job, 'redo', changes, { masks })
      }),
    mend: (jobId, drawn) =>
      limit(async () => {
        const job = await completedJob(database, jobId)
        const { imageWidth: width, imageHeight: height } = job
        const mendedMask =
          width === null || height === null ? undefined : await asMask(drawn, { width, height })
        if (!mendedMask)
          throw new RmbgError('USAGE', `The mask has to be a PNG of ${width}x${height} pixels.`)
        return make(job, 'brush', {}, { masks: 'from-store', mendedMask })
      }),
    putBack: (jobId, version) =>
      limit(async () => {
        const versions = await versionsOf(database.sql, jobId)
        const known = versions.find((each) => each.jobId === version)
        const [job] = known ? await findJobs(database.sql, [version]) : []
        if (!known || job?.status !== 'completed')
          throw new RmbgError('NOT_FOUND', `There is no version ${version} of this cut-out.`)
        return { jobId: version, isNew: false, files: await choose(jobId, version, known.how) }
      }),
  }
}
