/** A batch of images: what is left to do, how much of it at a time, and when to stop. */
import { Semaphore } from 'async-mutex'
import { v7 as uuidv7 } from 'uuid'
import { mebibytes } from '../cutout/memory.ts'
import { closePixelThreads, startPixelThreads } from '../cutout/pool.ts'
import { connectionIsLost } from '../database/errors.ts'
import { leaseMs } from '../database/leases.ts'
import { taggerOf, tagName } from '../database/tags.ts'
import { foldUsage } from '../database/usage.ts'
import { upsertUser } from '../database/users.ts'
import { anyDecisions } from '../database/versions.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { modelName } from '../model/contract.ts'
import { once } from '../once.ts'
import { shownPath } from '../system/file-names.ts'
import { processOwner } from '../system/owner.ts'
import type { Batch, BatchOptions, BatchServices, Image, Masks } from './contract.ts'
import { estimateOf } from './estimate.ts'
import { estimateNotice } from './estimate-notice.ts'
import {
  type FailedEvent,
  type ImageEvent,
  type PlannedEvent,
  type StartEvent,
  type SummaryEvent,
  schemaVersion,
} from './events.ts'
import { failedEvent, imageFailure } from './failure.ts'
import { processOne } from './image.ts'
import { inputTest } from './input-files.ts'
import { type Candidate, type Candidates, withMore } from './inputs.ts'
import { letGo, startHeartbeat, untilNoneIsHeld } from './leases.ts'
import { foreseeFiles } from './local-files.ts'
import { referenceIn } from './reference.ts'
import { type Reservations, reservationsOf, reservedImages } from './reserved.ts'
import { take } from './take.ts'
import { count, emptyTally, storeKeepsFailing, summaryOf, type Tally } from './tally.ts'
import { unfinishedImages, unfinishedOf } from './unfinished.ts'
import { modelParameters, workOf } from './work.ts'

/**
 * Sends many images through `processOne`, a bounded number at a time. An image that fails is told of in an event and in
 * the summary, and does not stop the others.
 *
 * @param options `onEvent` gets the start, every image's outcome as it comes, notices, and last the summary
 * @throws RmbgError what would have failed every other image as well, after the summary of what was done until then
 */
export async function runBatch(
  candidates: Candidates,
  services: BatchServices,
  options: BatchOptions,
): Promise<SummaryEvent> {
  const startedAt = performance.now()
  const batch = openBatch(candidates, services, options)
  const found: Found = { images: candidates.length, isComplete: !candidates.more }
  const progress: Progress = {
    ...{ batch, tally: emptyTally(), stop: new AbortController(), found },
    reservations: options.dryRun ? undefined : reservationsOf(batch),
  }
  announce(batch, found)
  let summary: SummaryEvent
  try {
    const { more } = candidates
    const all = more ? withMore(candidates, counted(progress, more)) : candidates
    await (options.dryRun ? planAll(progress, all) : processAll(progress, all))
  } finally {
    // Also when an error ends the run: what was done until then is done.
    const { ownCutouts, firstFrames } = progress.tally
    if (ownCutouts > 0) options.onEvent(ownCutoutsNotice(ownCutouts))
    if (firstFrames > 0) options.onEvent(firstFramesNotice(firstFrames))
    summary = summaryOf(progress.tally, {
      runId: batch.run.id,
      images: found.images,
      isListed: found.isComplete,
      elapsedMs: Math.round(performance.now() - startedAt),
      isStopped: options.signal.aborted,
    })
    options.onEvent(summary)
  }
  return summary
}

/** How far a batch has come. */
interface Progress {
  batch: Batch
  tally: Tally
  /** Aborted when too many images have failed. */
  stop: AbortController
  found: Found
  /** What this run has taken of a list that it may share with others. */
  reservations: Reservations | undefined
}

/** How many images there are; more may come. */
interface Found {
  images: number
  isComplete: boolean
}

/** How often it is told that more images were found, in milliseconds. */
const listingMs = 1000

/** What comes of the candidates, counted. */
async function* counted(
  { batch, found }: Pick<Progress, 'batch' | 'found'>,
  more: AsyncIterable<readonly Candidate[]>,
): AsyncGenerator<readonly Candidate[]> {
  const tell = () => batch.onEvent({ type: 'listing', ...found })
  let toldAt = performance.now()
  try {
    for await (const page of more) {
      found.images += page.length
      if (performance.now() - toldAt >= listingMs) {
        tell()
        toldAt = performance.now()
      }
      yield page
    }
  } catch (error) {
    if (batch.signal.aborted) return
    throw error
  }
  found.isComplete = true
  tell()
}

/** @param memory shared by batches at once */
export function openBatch(
  candidates: Candidates,
  services: BatchServices,
  options: BatchOptions,
  memory = new Semaphore(mebibytes(options.maxMemory)),
): Batch {
  const { masks } = services
  const model = masks === 'from-store' ? {} : { model: modelParameters(masks.spec) }
  return {
    ...services,
    ...options,
    masks: masks === 'from-store' ? masks : announced(masks, options),
    run: { id: options.runId ?? uuidv7(), owner: processOwner(), leaseMs },
    work: workOf({ ...model, ...options.cutoutParams }),
    isInput: inputTest(options.inputs ?? candidates),
    memory,
    tags: [...new Set(options.tags.map(tagName))],
    hasDecisions: once(() => anyDecisions(services.database.sql)),
    tag: taggerOf(services.database.sql, options.tags),
  }
}

function announce(
  { onEvent, masks, run, store, database, ...batch }: Batch,
  { images, isComplete }: Found,
): void {
  const start: StartEvent = {
    type: 'start',
    schemaVersion,
    runId: run.id,
    images,
    ...(!isComplete && { isListing: true }),
    dryRun: batch.dryRun,
    model: masks === 'from-store' ? 'stored masks' : modelName(masks.spec),
    ...(masks !== 'from-store' && masks.spec.choice && { modelChoice: masks.spec.choice }),
    store: store.location,
    database: database.location,
    ...(batch.output !== undefined && { output: shownPath(batch.output) }),
    ...(batch.besideInputs && { besideInputs: true }),
    concurrency: batch.concurrency,
    maxMemoryBytes: batch.maxMemory,
  }
  onEvent(start)
  if (masks !== 'from-store' && masks.spec.notice !== undefined) {
    onEvent({ type: 'notice', code: 'model-chosen', message: masks.spec.notice, important: true })
  }
}

/** `--dry-run`: tells what would be done. */
async function planAll(progress: Progress, candidates: Candidates): Promise<void> {
  const { batch } = progress
  const onSkipped = (event: ImageEvent) => settle(progress, event)
  let inputBytes = 0
  let copies = 0
  for await (const image of unfinishedImages(batch, candidates, onSkipped)) {
    const event = await plan(batch, image)
    if (event.status === 'planned') {
      inputBytes += event.bytes
      if ('source' in image && referenceIn(batch, image.source) === undefined) copies++
    }
    settle(progress, event)
  }
  const { planned: images } = progress.tally
  if (images === 0) return
  const keep = copies > 0 ? batch.keep : batch.keep.filter((kind) => kind !== 'original')
  const estimate = await estimateOf({ images, inputBytes }, batch.database.sql, { ...batch, keep })
  batch.onEvent(estimateNotice(estimate, { isSampled: false }))
}

async function processAll(progress: Progress, candidates: Candidates): Promise<void> {
  const { batch, stop } = progress
  const signal = AbortSignal.any([batch.signal, stop.signal])
  await upsertUser(batch.database.sql, batch.user)
  const { reservations } = progress
  const endHeartbeat = startHeartbeat(batch.database, batch.run, reservations?.renew)
  let failure: unknown
  try {
    const images = unfinishedImages(batch, candidates, (event) => settle(progress, event))
    const held = await workOn(progress, images, signal)
    await untilNoneIsHeld(held, (images) => workOn(progress, images, signal), {
      signal,
      onWait: (images) => batch.onEvent(waitingNotice(images)),
    })
  } catch (error) {
    failure = error
  }
  endHeartbeat()
  await endRun(progress, failure)
}

/** @returns the images that another run holds */
async function workOn(
  progress: Progress,
  images: AsyncIterable<Image> | Iterable<Image>,
  signal: AbortSignal,
): Promise<Image[]> {
  const { batch, reservations } = progress
  const held: Image[] = []
  const onSkipped = (event: ImageEvent) => settle(progress, event)
  const taken = reservations
    ? reservedImages(images, reservations, {
        onCompleted: (done) => unfinishedOf(batch, done, onSkipped),
        onHeld: (image) => held.push(image),
      })
    : images
  await take(taken, { concurrency: batch.concurrency, signal }, async (image) => {
    const outcome = await processOne(batch, image)
    reservations?.release(image)
    if (outcome === 'held') held.push(image)
    else if (outcome !== 'untaken') settle(progress, outcome)
  })
  return held
}

/**
 * Counts and reports what became of an image. Too many failures stop the taking of images.
 *
 * @throws RmbgError when the store has failed several images in a row
 */
function settle({ batch, tally, stop }: Progress, event: ImageEvent): void {
  count(tally, event)
  batch.onEvent(event)
  if (event.status !== 'failed') return
  if (tally.failed >= batch.maxFailures) stop.abort()
  if (storeKeepsFailing(tally)) {
    throw new RmbgError(
      event.code,
      `The object store failed ${tally.storeFailuresInARow} images in a row, so the run stopped: ${event.message}`,
    )
  }
}

/**
 * Frees what this run still holds, and brings the database to rest.
 *
 * @param failure what ended the run early; thrown when all is closed
 */
async function endRun({ batch, reservations }: Progress, failure: unknown): Promise<void> {
  const { database, run, runId } = batch
  await failPoint('process:ended')
  if (runId === undefined) await closePixelThreads()
  // A lost connection was waited for long enough already.
  if (!(failure instanceof RmbgError && connectionIsLost(failure))) {
    await letGo(database, run)
    await reservations?.close()
    await foldUsage(database.sql).catch(() => {}) // what is not folded counts all the same
    await database.flush().catch((error) => Promise.reject(failure ?? error))
  }
  if (failure !== undefined) throw failure
}

async function plan(batch: Batch, image: Image): Promise<PlannedEvent | FailedEvent> {
  const { candidate } = image
  if ('failure' in image) return failedEvent(candidate.shown, image.failure)
  try {
    const files = await foreseeFiles(batch, candidate)
    return { type: 'image', status: 'planned', input: candidate.shown, bytes: image.source.size, ...files }
  } catch (cause) {
    return failedEvent(candidate.shown, imageFailure(cause))
  }
}

/** The model, loaded once and reported when it is. */
function announced({ spec, model }: Exclude<Masks, 'from-store'>, { onEvent }: BatchOptions): Masks {
  let opening: ReturnType<typeof model> | undefined
  const open = async () => {
    startPixelThreads() // while the model loads
    onEvent({ type: 'phase', phase: 'model', message: `Loading the model ${modelName(spec)}` })
    const opened = await model()
    onEvent({ type: 'model', model: modelName(opened.spec), provider: opened.provider })
    const { notice: message } = opened
    if (message !== undefined) onEvent({ type: 'notice', code: 'device-fallback', message })
    return opened
  }
  return {
    spec,
    model: () => {
      opening ??= open()
      return opening
    },
  }
}

const waitingNotice = (images: number) => ({
  type: 'notice' as const,
  code: 'waiting-for-other-run' as const,
  images,
  message: `Waiting for another run, which is working on ${images} of these images.`,
})

const ownCutoutsNotice = (images: number) => ({
  type: 'notice' as const,
  code: 'own-cutouts' as const,
  images,
  message: `${images} of the inputs ${images === 1 ? 'is a cut-out or mask' : 'are cut-outs or masks'} made by rmbg, which are never inputs. To make new cut-outs of the same pictures, process the originals.`,
})

const firstFramesNotice = (images: number) => ({
  type: 'notice' as const,
  code: 'first-frames' as const,
  images,
  message: `${images} of the pictures ${images === 1 ? 'is an animation or document' : 'are animations or documents'} with several frames or pages. The first was taken.`,
})
