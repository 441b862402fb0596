import type { CompletedJob } from '../database/jobs.ts'
import { tagJobs } from '../database/tags.ts'
import { RmbgError } from '../errors.ts'
import { readVerified } from '../store/verified.ts'
import type { Batch } from './contract.ts'
import type { FailedEvent, Output, SkippedEvent } from './events.ts'
import { failedEvent, imageFailure, isCutShort } from './failure.ts'
import type { Candidate } from './inputs.ts'
import { placeCutout } from './output-file.ts'

/**
 * An image that was completed before: it gets the tags of this run, and its local cut-out if that is missing.
 *
 * @throws RmbgError when the next image would fail in the same way
 */
export async function skip(
  batch: Batch,
  candidate: Candidate,
  job: CompletedJob,
  reason: 'unchanged' | 'same-content',
): Promise<SkippedEvent | FailedEvent | 'untaken'> {
  let output: Output | undefined
  try {
    if (!batch.dryRun) await tagJobs(batch.database.sql, [job.jobId], batch.tags)
    output = await restoreOutput(batch, candidate, job)
  } catch (cause) {
    if (isCutShort(batch, cause)) return 'untaken'
    return failedEvent(candidate.shown, imageFailure(cause), job.jobId)
  }
  return { ...skipped(candidate, job), reason, review: job.review, ...(output && { output }) }
}

/** An input that is itself a cut-out of ours: there is nothing to do with it, and no output of it. */
export const skipOwnCutout = (candidate: Candidate, job: CompletedJob): SkippedEvent => ({
  ...skipped(candidate, job),
  reason: 'own-cutout',
  review: null,
})

const skipped = (
  { shown: input }: Candidate,
  { jobId, originalPath, maskPath, processedPath }: CompletedJob,
) => ({
  type: 'image' as const,
  status: 'skipped' as const,
  input,
  jobId,
  originalPath,
  maskPath,
  processedPath,
})

async function restoreOutput(
  batch: Batch,
  candidate: Candidate,
  job: CompletedJob,
): Promise<Output | undefined> {
  const path = batch.outputOf?.(candidate)
  if (path === undefined) return undefined
  const { processedPath, processedSha256 } = job
  const read = async () => {
    if (processedPath !== null) return readVerified(batch.store, processedPath, processedSha256)
    throw new RmbgError('STORE_OBJECT_MISSING', `The cut-out ${path} is gone, and no other copy was kept.`, {
      hint: 'Run the command again to make it anew.',
    })
  }
  return placeCutout(batch, path, { job, read, state: 'restored' })
}
