import { stat } from 'node:fs/promises'
import type { CompletedJob } from '../database/jobs.ts'
import { tagJobs } from '../database/tags.ts'
import { readVerified } from '../store/verified.ts'
import { writeAtomically } from '../system/files.ts'
import type { Batch } from './contract.ts'
import type { FailedEvent, SkippedEvent } from './events.ts'
import { failedEvent, imageFailure } from './failure.ts'
import type { Candidate } from './inputs.ts'

/**
 * An image that was completed before: it gets the tags of this run, and its local cut-out if that is missing.
 *
 * @throws RmbgError when the next image would fail in the same way
 */
export async function skip(
  batch: Batch,
  candidate: Candidate,
  job: CompletedJob,
  reason: SkippedEvent['reason'],
): Promise<SkippedEvent | FailedEvent> {
  const input = candidate.shown
  const output = batch.outputOf?.(candidate)
  try {
    if (!batch.dryRun) {
      await tagJobs(batch.database.sql, [job.jobId], batch.tags)
      if (output !== undefined) await restoreOutput(batch, output, job)
    }
  } catch (cause) {
    return failedEvent(input, imageFailure(cause), job.jobId)
  }
  return {
    type: 'image',
    status: 'skipped',
    input,
    reason,
    jobId: job.jobId,
    originalPath: job.originalPath,
    maskPath: job.maskPath,
    processedPath: job.processedPath,
    review: job.review,
    ...(output !== undefined && { output }),
  }
}

async function restoreOutput(batch: Batch, output: string, job: CompletedJob): Promise<void> {
  const present = await stat(output).catch(() => undefined)
  if (present?.size === job.processedBytes) return
  const bytes = await readVerified(batch.store, job.processedPath, job.processedSha256)
  await writeAtomically(output, bytes, 'cut-out')
}
