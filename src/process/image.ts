/** The spine: the way of one image through everything, and what becomes of it. */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Semaphore } from 'async-mutex'
import { v7 as uuidv7 } from 'uuid'
import { workingDepth } from '../cutout/codec/encode.ts'
import type { Cutout } from '../cutout/cutout.ts'
import { estimateBytes } from '../cutout/memory.ts'
import type { CutoutRecipe } from '../cutout/options.ts'
import { cutOutInThread } from '../cutout/pool.ts'
import type { Database } from '../database/connect.ts'
import {
  type CompletedJob,
  claimJob,
  completeJob,
  failJob,
  findStoredContent,
  type JobReview,
  recordFailure,
  type StoredJob,
} from '../database/jobs.ts'
import { tagJobs } from '../database/tags.ts'
import { objectErrors, passingStoreErrors, RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { MatteModel, ModelSpec } from '../model/contract.ts'
import type { ObjectStore } from '../store/contract.ts'
import { contentTypeOf, objectKey } from '../store/keys.ts'
import { readStored } from '../store/verified.ts'
import type { BatchEvent, CompletedEvent, FailedEvent, PlannedEvent, SkippedEvent } from './events.ts'
import type { Candidate } from './inputs.ts'
import { writeAtomically } from './outputs.ts'
import type { Source } from './source.ts'

export interface BatchServices {
  store: ObjectStore
  database: Database
  /** What makes the mattes: a model, loaded on first use (a run with nothing to do never loads one), or stored masks. */
  mattes: { spec: ModelSpec; model: () => Promise<MatteModel> } | 'stored'
}

export interface BatchOptions {
  user: string
  tags: readonly string[]
  concurrency: number
  maxMemory: number
  maxPixels: number
  allowSvg: boolean
  cutout: Omit<CutoutRecipe, 'depth'>
  /** The same, as kept in `params`. */
  cutoutParams: Record<string, unknown>
  /** Local cut-out of a candidate, an absolute path, with `--output`. */
  outputOf: ((candidate: Candidate) => string) | undefined
  /** Compare contents instead of trusting path, size and time. */
  checksum: boolean
  force: boolean
  dryRun: boolean
  /** Stop taking images after this many failures. */
  maxFailures: number
  /** Aborted: take no new image, finish those in flight. */
  signal: AbortSignal
  onEvent: (event: BatchEvent) => void
}

/** One run over many images; everything `processOne` needs besides the image. */
export interface Batch extends BatchOptions, BatchServices {
  run: { id: string; owner: string; leaseMs: number }
  model: () => Promise<MatteModel>
  /** Of all its images, except where the model is that of a stored mask. */
  work: Work
  /** Admits images by their estimated peak memory, in MiB (its cost grows with the count), in their order. */
  memory: Semaphore
}

export interface Work {
  /** What influences the result, as stored in `params`. */
  params: Record<string, unknown>
  /** SHA-256 of `params`: same fingerprint and same content mean the same result. */
  fingerprint: string
}

export interface Image {
  candidate: Candidate
  /** The original as it was when the batch looked at it; `failure` when that was not possible. */
  source: Source | undefined
  failure: RmbgError | undefined
  /** The job whose mask is to be used, where the input names one. */
  job: StoredJob | undefined
}

/** `held`: another run works on it right now. `untaken`: the run was stopped before the image's turn. */
export type Outcome = CompletedEvent | SkippedEvent | FailedEvent | PlannedEvent | 'held' | 'untaken'

/**
 * ONE image, top to bottom: file -> pixels -> alpha matte -> mask and cut-out -> three stored objects -> a
 * completed row. The row turns completed last, so a crash anywhere leaves objects without a claim to be
 * complete, and the next run takes the same job, with the same keys, up again.
 *
 * @throws RmbgError when going on with other images makes no sense (database, model, store access)
 */
export async function processOne(batch: Batch, image: Image): Promise<Outcome> {
  const { store, database, run } = batch
  const { shown: input } = image.candidate
  const uploads: Promise<unknown>[] = []
  let jobId: string | undefined
  try {
    if (!image.source) throw image.failure
    const source = image.source
    const header = await source.header(batch)
    const depth = workingDepth(header.bitDepth, batch.cutout)
    const settings = { ...batch.cutout, depth }
    const bytesNeeded = estimateBytes(header, source.size, settings)
    if (bytesNeeded > batch.maxMemory) throw overBudget(bytesNeeded, batch.maxMemory)

    return await batch.memory.runExclusive(async (): Promise<Outcome> => {
      if (batch.signal.aborted) return 'untaken'
      const startedAt = performance.now()
      const bytes = await source.read()
      const contentSha256 = sha256(bytes)
      await failPoint('process:read')
      const made =
        batch.mattes === 'stored' ? (image.job ?? (await maskedJob(database, contentSha256))) : undefined
      const { params, fingerprint } = made ? workOf({ model: made.model, ...batch.cutoutParams }) : batch.work

      const claim = await claimJob(database.sql, {
        jobId: uuidv7(),
        source,
        contentSha256,
        fingerprint,
        params,
        userId: batch.user,
        originalPath: (id) => objectKey('original', id, header.extension),
        imageWidth: header.width,
        imageHeight: header.height,
        fileSizeKb: Math.ceil(source.size / 1024),
        run,
        force: batch.force,
      })
      if (claim.state === 'held') return 'held'
      if (claim.state === 'completed') return await skip(batch, image.candidate, claim.job, 'same-content')
      jobId = claim.jobId
      await failPoint('process:claimed')
      await tagJobs(database.sql, [jobId], batch.tags)
      await failPoint('process:tagged')
      const upload = (key: string, body: Uint8Array, contentType: string, digest: string) => {
        const stored = store.put(key, body, { contentType, sha256: digest })
        stored.catch(() => {}) // awaited below; an error before that must not leave it unhandled
        uploads.push(stored)
      }

      const originalPath = objectKey('original', jobId, header.extension)
      upload(originalPath, bytes, contentTypeOf(header.extension), contentSha256)

      const model = made ? undefined : await batch.model()
      const subject = model ?? { mask: await readStored(store, made!.maskPath, made!.maskSha256) }
      const cutout = await cutOutInThread(bytes, subject, settings)
      const { mask, processed } = cutout
      const provider = model?.provider ?? 'none'
      const review = reviewOf(cutout)
      await failPoint('process:returned')

      const maskPath = objectKey('mask', jobId, mask.extension)
      const maskSha256 = sha256(mask.bytes)
      upload(maskPath, mask.bytes, mask.contentType, maskSha256)
      const processedPath = objectKey('processed', jobId, processed.extension)
      const processedSha256 = sha256(processed.bytes)
      upload(processedPath, processed.bytes, processed.contentType, processedSha256)
      await failPoint('process:uploading')
      const output = batch.outputOf?.(image.candidate)
      if (output !== undefined) await writeAtomically(output, processed.bytes)
      await failPoint('process:written')
      await Promise.all(uploads)
      await failPoint('process:stored')

      const processingTimeMs = Math.round(performance.now() - startedAt)
      const completed = await completeJob(database.sql, {
        jobId,
        runId: run.id,
        maskPath,
        processedPath,
        originalBytes: bytes.byteLength,
        maskBytes: mask.bytes.byteLength,
        processedBytes: processed.bytes.byteLength,
        maskSha256,
        processedSha256,
        processingTimeMs,
        executionProvider: provider,
        review,
      })
      // Another run believed this one dead and took the job over; it completes the row.
      if (!completed) return 'held'
      await failPoint('process:completed')
      return {
        type: 'image',
        status: 'completed',
        input,
        jobId,
        attempt: claim.attempt,
        width: header.width,
        height: header.height,
        provider,
        processingTimeMs,
        originalPath,
        maskPath,
        processedPath,
        review,
        ...(output !== undefined && { output }),
      }
    }, mebibytes(bytesNeeded))
  } catch (cause) {
    await Promise.allSettled(uploads)
    const error = asRmbgError(cause)
    if (endsRun(error)) throw error
    return fail(batch, image, jobId, error)
  }
}

/** The job whose mask stands for inference on a content. */
async function maskedJob(database: Database, contentSha256: string): Promise<StoredJob> {
  const job = await findStoredContent(database.sql, contentSha256)
  if (job) return job
  throw new RmbgError('MASK_MISSING', 'No mask of this picture is stored.', {
    hint: 'Process it without --from-mask first.',
  })
}

/** The figures of the mask, and what a catalogue would say of the file. */
function reviewOf({ review, violations }: Cutout): JobReview {
  if (!violations) return { ...review }
  return {
    ...review,
    violations: violations.map(({ rule, message }) => ({ rule, message })),
    reasons: [...review.reasons, ...(violations.length > 0 ? ['rules'] : [])],
  }
}

/** A finished image: its new tags are added and its local cut-out is there again if it was missing. */
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
    const error = asRmbgError(cause)
    if (endsRun(error)) throw error
    return failed(input, error, job.jobId)
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
  const bytes = await readStored(batch.store, job.processedPath, job.processedSha256)
  await writeAtomically(output, bytes)
}

/** Logs the failure in the job's row, or in a row of its own when the image never got as far as a claim. */
async function fail(
  batch: Batch,
  image: Image,
  jobId: string | undefined,
  error: RmbgError,
): Promise<FailedEvent> {
  const { sql } = batch.database
  const { path, shown } = image.candidate
  const errorCode = error.code
  const errorMessage = error.message
  if (jobId !== undefined) {
    await failJob(sql, { jobId, runId: batch.run.id, errorCode, errorMessage })
    await failPoint('process:failed')
    return failed(shown, error, jobId)
  }
  const recorded = await recordFailure(sql, {
    jobId: uuidv7(),
    source: image.source ?? { path },
    originalPath: (id) => objectKey('original', id, extensionInName(path)),
    ...batch.work,
    userId: batch.user,
    run: batch.run,
    errorCode,
    errorMessage,
  })
  await failPoint('process:failed')
  await tagJobs(sql, [recorded], batch.tags)
  return failed(shown, error, recorded)
}

export function failed(input: string, error: RmbgError, jobId?: string): FailedEvent {
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

/** Everything that changes the result and nothing else; the digest does not depend on the order of keys. */
export function workOf(params: Record<string, unknown>): Work {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return { params, fingerprint: sha256(JSON.stringify(params, sorted)) }
}

/** For a file whose content was never seen, its name has to say what it would have been. */
function extensionInName(path: string): string {
  const extension = extname(path).slice(1).toLowerCase()
  return /^[a-z0-9]{1,8}$/.test(extension) ? extension : 'bin'
}

/** Whether the next image would meet the same error. */
function endsRun(error: RmbgError): boolean {
  return error.family !== 'image' && ![...objectErrors, ...passingStoreErrors].includes(error.code)
}

/** A defect of ours met by one image must not stop the others; it fails that image, with its cause kept. */
export function asRmbgError(cause: unknown): RmbgError {
  if (cause instanceof RmbgError) return cause
  return new RmbgError(
    'UNEXPECTED',
    `Unexpected error: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  )
}

function overBudget(bytesNeeded: number, maxMemory: number): RmbgError {
  const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GB`
  return new RmbgError(
    'MEMORY_BUDGET',
    `The image needs about ${gigabytes(bytesNeeded)} of memory, more than the budget of ${gigabytes(maxMemory)}.`,
    { hint: 'Raise --max-memory, or make the picture or its canvas smaller.' },
  )
}

export const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20)

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')
