/** A cut-out that is made again in a review: through the same steps as every other, as a job of its own. */
import { Semaphore } from 'async-mutex'
import { mebibytes } from '../cutout/memory.ts'
import { findMaskedJob, type MaskedJob } from '../database/jobs.ts'
import { RmbgError } from '../errors.ts'
import type { ObjectKind } from '../store/contract.ts'
import { sha256Of } from '../system/sha256.ts'
import { openBatch } from './batch.ts'
import type { BatchOptions, BatchServices, Masks, ReadableImage } from './contract.ts'
import { processWhenFree } from './cutout-service.ts'
import { inspectSource, originalOfJob, type Source } from './source.ts'

export interface Again extends Pick<BatchOptions, 'cutout' | 'cutoutParams' | 'user' | 'tags'> {
  jobId: string
  /** How events call the picture. */
  name: string
  keep: readonly ObjectKind[]
  /** `from-store` takes the job's own mask. */
  masks: Masks
  /** The file of that mask as somebody has mended it; only with masks from the store. */
  mendedMask?: Uint8Array
}

/** What all that is made again has in common. */
export type AgainOptions = Pick<BatchOptions, 'maxMemory' | 'maxPixels' | 'signal'>

/**
 * Makes the cut-out of a completed job again.
 *
 * @returns the new job; `isNew` is false where the same had been made before, which is then that job
 * @throws RmbgError NOT_FOUND, MASK_MISSING where there is nothing to make it of, what the picture failed of, or what
 *   would fail every other picture as well
 */
export async function makeAgain(
  services: Omit<BatchServices, 'masks'>,
  options: AgainOptions,
  again: Again,
): Promise<{ jobId: string; isNew: boolean }> {
  const image = await imageOf(services, again)
  const { jobId: _jobId, name: _name, mendedMask: _mendedMask, masks, ...wishes } = again
  const batch = openBatch(
    [],
    { ...services, masks },
    {
      ...options,
      ...wishes,
      ...{ concurrency: 1, allowSvg: true, overwrite: false, checksum: false, force: false, dryRun: false },
      ...{ originals: 'reference', maxFailures: 1, outputOf: undefined, onEvent: () => {} },
      signal: new AbortController().signal, // what has begun is finished
    },
    new Semaphore(mebibytes(options.maxMemory)),
  )
  // The very job is meant, not the one that has taken its place.
  const event = await processWhenFree({ ...batch, hasDecisions: async () => false }, image, options.signal)
  if (event.status === 'failed') throw new RmbgError(event.code, event.message, { ...hintOf(event) })
  if (event.status === 'planned') throw new TypeError('Nothing was planned')
  return { jobId: event.jobId, isNew: event.status === 'completed' }
}

const hintOf = ({ hint }: { hint?: string | undefined }) => (hint === undefined ? {} : { hint })

async function imageOf(
  services: Omit<BatchServices, 'masks'>,
  { jobId, name, masks, mendedMask }: Again,
): Promise<ReadableImage> {
  const job = await findMaskedJob(services.database.sql, jobId)
  if (!job) throw new RmbgError('NOT_FOUND', `There is no completed job ${jobId}.`)
  const { maskPath, originalPath } = job
  if (maskPath === null && masks === 'from-store')
    throw new RmbgError('MASK_MISSING', 'The mask of this job was not kept (--keep).', {
      hint: 'Choose a model to make a new one.',
    })
  const candidate = { path: jobId, shown: name, relative: name, jobId }
  const source =
    originalPath === null ? await sourceFile(job) : originalOfJob({ ...job, originalPath }, services)
  // What is made of a mended mask is told from what its model made by the digest.
  const model = mendedMask ? { ...job.model, mended: sha256Of(mendedMask) } : job.model
  const masked = { ...job, model, maskPath: maskPath ?? '' }
  return { candidate, source, job: masked, ...(mendedMask && { mendedMask }) }
}

/** @throws RmbgError MASK_MISSING where that file is another one by now */
async function sourceFile(job: MaskedJob): Promise<Source> {
  const gone = new RmbgError(
    'MASK_MISSING',
    'The original was not kept, and its file is no longer as it was.',
    {
      hint: 'Process the file again.',
    },
  )
  const source = await inspectSource(job.source.path).catch(() => Promise.reject(gone))
  const { path, size, mtimeNs } = source
  return {
    ...{ path, size, mtimeNs },
    header: (limits) => source.header(limits),
    read: async () => {
      const bytes = await source.read()
      if (sha256Of(bytes) !== job.contentSha256) throw gone
      return bytes
    },
    release: async () => source.release?.(),
  }
}
