import type { CompletedJob, NamedJob } from '../database/jobs.ts'
import { RmbgError } from '../errors.ts'
import { readVerified } from '../store/verified.ts'
import type { Batch } from './contract.ts'
import type { FailedEvent, SkippedEvent } from './events.ts'
import { failedEvent, imageFailure, isCutShort } from './failure.ts'
import type { Candidate } from './inputs.ts'
import { hasLocalFiles, type LocalFiles, placeFiles } from './local-files.ts'
import { standingOf } from './standing.ts'

/**
 * An image that was completed before: it gets the tags of this run, and its local cut-out if that is missing. Where a
 * review has put another version in its place, that one is meant.
 *
 * @throws RmbgError when the next image would fail in the same way
 */
export async function skip(
  batch: Batch,
  candidate: Candidate,
  job: CompletedJob,
  reason: 'unchanged' | 'same-content',
): Promise<SkippedEvent | FailedEvent | 'untaken'> {
  try {
    const { job: current, verdict } = await standingOf(batch, job)
    if (!batch.dryRun) await batch.tag([...new Set([job.jobId, current.jobId])])
    const files = await restoreFiles(batch, candidate, current)
    const event = skipped(candidate, current, reason, current.review)
    return { ...event, ...(verdict !== 'open' && { verdict }), ...files }
  } catch (cause) {
    if (isCutShort(batch, cause)) return 'untaken'
    return failedEvent(candidate.shown, imageFailure(cause), job.jobId)
  }
}

/**
 * Whether a finished image only has to be told of, because it gets no tags and no local files; unless somebody has decided
 * about it. Of many images that is half the time.
 */
export const isOnlyTold = (batch: Batch): boolean => batch.tags.length === 0 && !hasLocalFiles(batch)

/** What is told of it then. */
export const skippedUnchanged = (candidate: Candidate, job: NamedJob): SkippedEvent =>
  skipped(candidate, job, 'unchanged', job.review)

/** An input that is itself a cut-out or mask of ours: there is nothing to do with it, and no output of it. */
export const skipOwnFile = (
  candidate: Candidate,
  { job, made }: { job: CompletedJob; made: 'cut-out' | 'mask' },
): SkippedEvent => skipped(candidate, job, made === 'mask' ? 'own-mask' : 'own-cutout', null)

const skipped = (
  { shown: input }: Candidate,
  { jobId, originalPath, maskPath, processedPath }: NamedJob,
  reason: SkippedEvent['reason'],
  review: SkippedEvent['review'],
): SkippedEvent => ({
  type: 'image',
  status: 'skipped',
  input,
  jobId,
  originalPath,
  maskPath,
  processedPath,
  reason,
  review,
})

function restoreFiles(batch: Batch, candidate: Candidate, job: CompletedJob): Promise<LocalFiles> {
  const read = {
    cutout: () => kept(batch, job.processedPath, job.processedSha256),
    mask: () => kept(batch, job.maskPath, job.maskSha256),
  }
  return placeFiles(batch, candidate, { job, read, state: 'restored' })
}

/** `isFileLost` has found that this is not needed, but files may vanish at any moment. */
async function kept({ store }: Batch, key: string | null, sha256: string): Promise<Uint8Array> {
  if (key !== null) return readVerified(store, key, sha256)
  throw new RmbgError('STORE_OBJECT_MISSING', 'A local file is gone, and no other copy of it was kept.', {
    hint: 'Run the command again to make it anew.',
  })
}
