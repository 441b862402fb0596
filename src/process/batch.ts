/** The batch around `processOne`: what is left to do, how much of it at a time, and when to stop. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Semaphore } from 'async-mutex'
import pLimit from 'p-limit'
import { v7 as uuidv7 } from 'uuid'
import { closePixelThreads, startPixelThreads } from '../cutout/pool.ts'
import { connectionIsLost } from '../database/errors.ts'
import { findCompletedBySource, findStoredJob, releaseJobs, renewLeases } from '../database/jobs.ts'
import { foldUsage } from '../database/usage.ts'
import { upsertUser } from '../database/users.ts'
import { type ErrorCode, passingStoreErrors, RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ModelSpec } from '../model/contract.ts'
import { processOwner } from '../owner.ts'
import { plural } from '../terminal/plural.ts'
import type { FailedEvent, PlannedEvent, SummaryEvent } from './events.ts'
import {
  asRmbgError,
  type Batch,
  type BatchOptions,
  type BatchServices,
  failed,
  type Image,
  mebibytes,
  type Outcome,
  processOne,
  skip,
  workOf,
} from './image.ts'
import type { Candidate } from './inputs.ts'
import { inspectSource, storedSource } from './source.ts'

/** A job whose heartbeat is older than this belongs to a dead run and may be taken over. */
const leaseMs = 60_000
/** Candidates looked up in one round trip. */
const chunkSize = 500
/** Store failures in a row, each after the store's own retries, that end the run: the next would fail too. */
const storeFailureLimit = 3

/**
 * Many images through `processOne`, a bounded number at a time. Failed images are told of in events and in the summary.
 *
 * @param options `onEvent` gets the start, every image's outcome as it comes, notices, and the summary at last
 * @throws RmbgError what made going on with other images senseless, after the summary of what was done until then
 */
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
    if (passingStoreErrors.includes(outcome.code) && ++storeFailures >= storeFailureLimit) {
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
            message: `Waiting for ${plural(held.length, 'image')} that another run is working on.`,
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

/** Asked again, it answers the same. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => {
    answer ??= ask()
    return answer
  }
}
