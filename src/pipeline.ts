import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Semaphore } from 'async-mutex'
import pLimit from 'p-limit'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from './database/connect.ts'
import { connectionIsLost } from './database/errors.ts'
import type { JobReview } from './database/jobs.ts'
import {
  type CompletedJob,
  claimJob,
  completeJob,
  failJob,
  findCompletedBySource,
  findStoredContent,
  findStoredJob,
  recordFailure,
  releaseJobs,
  renewLeases,
  type StoredJob,
} from './database/jobs.ts'
import { processOwner } from './database/owner.ts'
import { tagJobs } from './database/tags.ts'
import { foldUsage } from './database/usage.ts'
import { upsertUser } from './database/users.ts'
import { type ErrorCode, errorFamilies, RmbgError } from './errors.ts'
import type {
  BatchEvent,
  CompletedEvent,
  FailedEvent,
  PlannedEvent,
  SkippedEvent,
  SummaryEvent,
} from './events.ts'
import { failPoint } from './fail-point.ts'
import type { CutoutSettings, FinishedCutout } from './image/cutout.ts'
import { estimateBytes } from './image/decode.ts'
import { workingDepth } from './image/formats.ts'
import { closePixelThreads, cutOutInThread, startPixelThreads } from './image/threads.ts'
import type { Candidate } from './inputs.ts'
import type { MatteModel, ModelSpec } from './model/contract.ts'
import { writeAtomically } from './outputs.ts'
import { inspectSource, type Source, storedSource } from './source.ts'
import type { ObjectStore } from './store/contract.ts'
import { contentTypeOf, objectKey } from './store/keys.ts'
import { readStored } from './stored.ts'

/** A job whose heartbeat is older than this belongs to a dead run and may be taken over. */
const leaseMs = 60_000
/** Candidates looked up in one round trip. */
const chunkSize = 500
/** Store failures in a row, each after the store's own retries, that end the run: the next would fail too. */
const storeFailureLimit = 3

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
  cutout: Omit<CutoutSettings, 'depth'>
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
interface Batch extends BatchOptions, BatchServices {
  run: { id: string; owner: string; leaseMs: number }
  model: () => Promise<MatteModel>
  /** Of all its images, except where the model is that of a stored mask. */
  work: Work
  /** Admits images by their estimated peak memory, in MiB (its cost grows with the count), in their order. */
  memory: Semaphore
}

interface Work {
  /** What influences the result, as stored in `params`. */
  params: Record<string, unknown>
  /** SHA-256 of `params`: same fingerprint and same content mean the same result. */
  fingerprint: string
}

interface Image {
  candidate: Candidate
  /** The original as it was when the batch looked at it; `failure` when that was not possible. */
  source: Source | undefined
  failure: RmbgError | undefined
  /** The job whose mask is to be used, where the input names one. */
  job: StoredJob | undefined
}

/** `held`: another run works on it right now. `untaken`: the run was stopped before the image's turn. */
type Outcome = CompletedEvent | SkippedEvent | FailedEvent | PlannedEvent | 'held' | 'untaken'

/**
 * ONE image, top to bottom: file -> pixels -> alpha matte -> mask and cut-out -> three stored objects -> a
 * completed row. The row turns completed last, so a crash anywhere leaves objects without a claim to be
 * complete, and the next run takes the same job, with the same keys, up again.
 *
 * @throws RmbgError when going on with other images makes no sense (database, model, store access)
 */
async function processOne(batch: Batch, image: Image): Promise<Outcome> {
  const { store, database, run } = batch
  const { shown: input } = image.candidate
  const uploads: Promise<unknown>[] = []
  let jobId: string | undefined
  try {
    if (!image.source) throw image.failure
    const source = image.source
    const header = await source.header(batch)
    const depth = workingDepth(header.bitDepth, batch.cutout)
    const { width: canvasWidth = 0, height: canvasHeight = 0 } = batch.cutout.size ?? {}
    const canvasPixels = Math.max(canvasWidth, canvasHeight) ** 2
    const bytesNeeded = estimateBytes(header, source.size, { depth, canvasPixels })
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
      const cutout = await cutOutInThread(bytes, subject, { ...batch.cutout, depth })
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
function reviewOf({ review, violations }: FinishedCutout): JobReview {
  if (!violations) return { ...review }
  return {
    ...review,
    violations: violations.map(({ rule, message }) => ({ rule, message })),
    reasons: [...review.reasons, ...(violations.length > 0 ? ['rules'] : [])],
  }
}

/** Many images through `processOne`, a bounded number at a time. */
export async function runBatch(
  candidates: readonly Candidate[],
  services: BatchServices,
  options: BatchOptions,
): Promise<SummaryEvent> {
  const startedAt = performance.now()
  const { mattes } = services
  const model = once(async () => {
    if (mattes === 'stored') throw new TypeError('Expected a model')
    startPixelThreads() // while the model loads
    const opened = await mattes.model()
    options.onEvent({ type: 'model', model: nameOf(opened.spec), provider: opened.provider })
    if (opened.notice !== undefined) options.onEvent({ type: 'notice', message: opened.notice })
    return opened
  })
  const batch: Batch = {
    ...services,
    ...options,
    run: { id: uuidv7(), owner: processOwner(), leaseMs },
    work: workOf({
      ...(mattes !== 'stored' && { model: modelParameters(mattes.spec) }),
      ...options.cutoutParams,
    }),
    model,
    memory: new Semaphore(mebibytes(options.maxMemory)),
  }
  const { sql } = services.database
  const tally = { completed: 0, skipped: 0, failed: 0, planned: 0 }
  let needReview = 0
  const failures: SummaryEvent['failures'] = []
  const held: Image[] = []
  const stopped = new AbortController()
  const taking = () => !options.signal.aborted && !stopped.signal.aborted
  let storeFailures = 0

  const settle = (image: Image, outcome: Outcome) => {
    if (outcome === 'untaken') return
    if (outcome === 'held') return void held.push(image)
    tally[outcome.status]++
    if (outcome.status === 'completed') storeFailures = 0
    if ('review' in outcome && outcome.review && outcome.review.reasons.length > 0) needReview++
    options.onEvent(outcome)
    if (outcome.status !== 'failed') return
    failures.push({ input: outcome.input, code: outcome.code, message: outcome.message })
    if (tally.failed >= options.maxFailures) stopped.abort()
    if (errorFamilies[outcome.code as ErrorCode] === 'store' && ++storeFailures >= storeFailureLimit) {
      stopped.abort() // before the next image is taken
      throw new RmbgError(
        outcome.code as ErrorCode,
        `The object store failed ${storeFailures} images in a row, so the run stopped: ${outcome.message}`,
      )
    }
  }

  /** Takes images one by one as slots come free; the first error that ends the run ends the taking. */
  const work = async (images: AsyncIterable<Image> | Iterable<Image>) => {
    const limit = pLimit(options.concurrency)
    const running = new Set<Promise<void>>()
    const errors: unknown[] = []
    const end = (error: unknown) => {
      errors.push(error)
      stopped.abort()
    }
    try {
      for await (const image of images) {
        if (!taking()) break
        const task: Promise<void> = limit(async () => {
          if (taking()) settle(image, await processOne(batch, image))
        })
          .catch(end)
          .finally(() => running.delete(task))
        running.add(task)
        // Look no further ahead than the next image of each slot: memory stays flat however many there are.
        if (running.size >= options.concurrency * 2) await Promise.race(running)
      }
    } catch (error) {
      end(error)
    }
    await Promise.all(running)
    if (errors.length > 0) throw errors[0]
  }

  options.onEvent({
    type: 'start',
    runId: batch.run.id,
    images: candidates.length,
    dryRun: options.dryRun,
    model: mattes === 'stored' ? 'stored masks' : nameOf(mattes.spec),
    store: services.store.location,
    database: services.database.location,
    concurrency: options.concurrency,
    maxMemoryBytes: options.maxMemory,
  })

  if (mattes !== 'stored' && mattes.spec.notice !== undefined) {
    options.onEvent({ type: 'notice', message: mattes.spec.notice, important: true })
  }

  try {
    if (options.dryRun) {
      for await (const image of unfinished(batch, candidates, settle)) settle(image, plan(batch, image))
    } else {
      await doAll()
    }
  } finally {
    // Also when an error ends the run: what was done until then is done.
    options.onEvent(summary())
  }
  return summary()

  async function doAll(): Promise<void> {
    await upsertUser(sql, options.user)
    const heartbeat = setInterval(() => {
      // A missed beat is not an error: the next one follows long before the lease ends.
      renewLeases(sql, batch.run).catch(() => {})
    }, leaseMs / 4)
    let failure: unknown
    try {
      await work(unfinished(batch, candidates, settle))
      // What another live run holds is waited for: it gets completed there, or its lease ends and it is ours.
      for (let round = 0; held.length > 0 && taking(); round++) {
        if (round === 1) {
          options.onEvent({
            type: 'notice',
            message: `Waiting for ${held.length} images that another run is working on.`,
          })
        }
        if (round > 0) await sleep(1000, undefined, { signal: options.signal }).catch(() => {})
        await work(held.splice(0))
      }
    } catch (error) {
      failure = error
      throw error
    } finally {
      clearInterval(heartbeat)
      await failPoint('process:ended')
      await closePixelThreads()
      // One that is lost was waited for long enough.
      if (!(failure instanceof RmbgError && connectionIsLost(failure))) {
        await releaseJobs(sql, batch.run.id).catch(() => {}) // leases end by themselves where this fails
        await foldUsage(sql).catch(() => {}) // what is not folded counts all the same
        await services.database.flush().catch((error) => Promise.reject(failure ?? error))
      }
    }
  }

  function summary(): SummaryEvent {
    const elapsedMs = Math.round(performance.now() - startedAt)
    const done = tally.completed + tally.skipped + tally.failed + tally.planned
    return {
      type: 'summary',
      runId: batch.run.id,
      images: candidates.length,
      ...tally,
      needReview,
      remaining: candidates.length - done,
      interrupted: options.signal.aborted && done < candidates.length,
      elapsedMs,
      imagesPerSecond: Math.round((tally.completed / Math.max(elapsedMs, 1)) * 1e5) / 100,
      failures,
    }
  }
}

/** Candidates that are not completed yet, looked up in chunks; the completed ones settle as skipped. */
async function* unfinished(
  batch: Batch,
  candidates: readonly Candidate[],
  settle: (image: Image, outcome: Outcome) => void,
): AsyncGenerator<Image> {
  const { sql } = batch.database
  for (let start = 0; start < candidates.length; start += chunkSize) {
    const images = await Promise.all(
      candidates.slice(start, start + chunkSize).map((candidate) => inspect(batch, candidate)),
    )
    const sources = images.flatMap((image) => image.source ?? [])
    // A stored mask's parameters, and so the work's fingerprint, are known by the content only.
    const trustTimes = !batch.checksum && !batch.force && batch.mattes !== 'stored'
    const jobs = trustTimes ? await findCompletedBySource(sql, batch.work.fingerprint, sources) : []
    const jobOf = new Map(sources.map((source, index) => [source, jobs[index]]))
    for (const image of images) {
      if (batch.signal.aborted) return
      const job = image.source && jobOf.get(image.source)
      if (job) settle(image, await skip(batch, image.candidate, job, 'unchanged'))
      else yield image
    }
  }
}

async function inspect(batch: Batch, candidate: Candidate): Promise<Image> {
  try {
    if (candidate.jobId === undefined) {
      return { candidate, source: await inspectSource(candidate.path), failure: undefined, job: undefined }
    }
    const job = await findStoredJob(batch.database.sql, candidate.jobId)
    if (job) return { candidate, source: storedSource(job, batch.store), failure: undefined, job }
    throw new RmbgError('MASK_MISSING', 'There is no completed job of this id.')
  } catch (error) {
    return { candidate, source: undefined, failure: asRmbgError(error), job: undefined }
  }
}

/** A finished image: its new tags are added and its local cut-out is there again if it was missing. */
async function skip(
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

function plan(batch: Batch, image: Image): PlannedEvent | FailedEvent {
  const { candidate, source, failure } = image
  if (!source) return failed(candidate.shown, failure!)
  const output = batch.outputOf?.(candidate)
  return {
    type: 'image',
    status: 'planned',
    input: candidate.shown,
    bytes: source.size,
    ...(output !== undefined && { output }),
  }
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

function failed(input: string, error: RmbgError, jobId?: string): FailedEvent {
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

const nameOf = ({ name, variant }: ModelSpec): string => (variant === undefined ? name : `${name}:${variant}`)

/** Everything of a model that changes the result. */
function modelParameters(spec: ModelSpec) {
  const { name, variant, sha256: digest, inputSize, normalisation, activation, guided } = spec
  return {
    name,
    ...(variant !== undefined && { variant }),
    ...{ sha256: digest, inputSize, normalisation, activation },
    ...(guided && { guided }),
  }
}

/** Everything that changes the result and nothing else; the digest does not depend on the order of keys. */
function workOf(params: Record<string, unknown>): Work {
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
  const oneObject: ErrorCode[] = ['STORE_UNAVAILABLE', 'STORE_CHECKSUM', 'STORE_OBJECT_MISSING']
  return error.family !== 'image' && !oneObject.includes(error.code)
}

/** A defect of ours met by one image must not stop the others; it fails that image, with its cause kept. */
function asRmbgError(cause: unknown): RmbgError {
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
    { hint: 'Raise --max-memory, or make the image smaller.' },
  )
}

const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20)

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

/** Asked again, it answers the same. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => {
    answer ??= ask()
    return answer
  }
}
