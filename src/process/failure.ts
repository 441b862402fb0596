import { extname } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { type Completion, failJob, recordFailure } from '../database/jobs.ts'
import { objectErrors, passingStoreErrors, RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { objectKey } from '../store/keys.ts'
import { shownPath } from '../system/file-names.ts'
import type { Batch, Image } from './contract.ts'
import type { FailedEvent } from './events.ts'
import { isServerAway } from './inputs/passing.ts'
import { neededIn, removeOwn } from './leftovers.ts'
import type { Uploads } from './uploads.ts'

/** What has to be ended when something goes wrong with an image. */
export interface Begun {
  /** The job that this run claimed for the image. */
  job: Pick<Completion, 'jobId' | 'attempt' | 'params'> | undefined
  uploads: Uploads
  /** Resolves when what earlier attempts at that job left is removed. */
  tidied: Promise<void>
}

/**
 * Logs what went wrong with an image: in the row of its job, or in a row of its own where no job was claimed yet.
 *
 * @param cause whatever was thrown
 * @param begun with nothing on its way any more
 * @throws RmbgError the cause itself, when the next image would fail in the same way
 */
export async function fail(
  batch: Batch,
  image: Image,
  cause: unknown,
  { job, uploads }: Begun,
): Promise<FailedEvent> {
  const error = imageFailure(cause)
  const { shown } = image.candidate
  const { code: errorCode, message: errorMessage } = error
  if (job) {
    const { jobId, attempt, params } = job
    const isOurs = await failJob(batch.database.sql, {
      ...{ jobId, attempt, params, runId: batch.run.id, errorCode, errorMessage },
    })
    await failPoint('process:failed')
    if (!isOurs) await removeOwn(batch.store, uploads, neededIn(batch))
    return failedEvent(shown, error, jobId)
  }
  const recorded = await recordUnclaimed(batch, image, error)
  await failPoint('process:failed')
  return failedEvent(shown, error, recorded)
}

/** @returns the id of the row */
function recordUnclaimed(batch: Batch, image: Image, error: RmbgError): Promise<string> {
  const { path: given, loggedPath = shownPath(given) } = image.candidate
  return recordFailure(batch.database.sql, {
    jobId: uuidv7(),
    source: 'source' in image ? image.source : { path: loggedPath },
    originalPath: (id, attempt) => objectKey('original', id, attempt, extensionInName(loggedPath)),
    ...batch.work,
    userId: batch.user,
    run: batch.run,
    tags: batch.tags,
    errorCode: error.code,
    errorMessage: error.message,
  })
}

/** Nobody has seen the content of this file, so its name has to say what it would have been. */
function extensionInName(path: string): string {
  const extension = extname(path).slice(1).toLowerCase()
  return /^[a-z0-9]{1,8}$/.test(extension) ? extension : 'bin'
}

/** Whether somebody stopped the run while it waited for a server that is away: that says nothing of the image. */
export const isCutShort = ({ signal }: Pick<Batch, 'signal'>, cause: unknown): boolean =>
  signal.aborted &&
  (isServerAway(cause) || (cause instanceof RmbgError && cause.code === 'STORE_UNAVAILABLE'))

/** @throws RmbgError the cause itself, when the next image would fail in the same way */
export function imageFailure(cause: unknown): RmbgError {
  const error = asRmbgError(cause)
  const isOfThisImage =
    error.family === 'image' || [...objectErrors, ...passingStoreErrors].includes(error.code)
  if (!isOfThisImage) throw error
  return error
}

/** A defect of ours that one image meets must not stop the others: it fails that image, and keeps its cause. */
export function asRmbgError(cause: unknown): RmbgError {
  if (cause instanceof RmbgError) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  return new RmbgError('UNEXPECTED', `Unexpected error: ${message}`, { cause })
}

export function failedEvent(input: string, error: RmbgError, jobId?: string): FailedEvent {
  return {
    type: 'image',
    status: 'failed',
    input,
    code: error.code,
    message: error.message,
    ...(error.hint !== undefined && { hint: error.hint }),
    ...(jobId !== undefined && { jobId }),
  }
}
