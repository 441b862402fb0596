/** The spine: one image's way from its file to a completed row. Read it from the top. */
import { v7 as uuidv7 } from 'uuid'
import { workingDepth } from '../cutout/codec/encode.ts'
import type { ImageHeader } from '../cutout/codec/header.ts'
import type { Cutout } from '../cutout/cutout.ts'
import { assertWithinBudget, estimateBytes, mebibytes } from '../cutout/memory.ts'
import type { CutoutRecipe } from '../cutout/options.ts'
import { cutOutInThread } from '../cutout/pool.ts'
import {
  type Claim,
  type ClaimRequest,
  claimJob,
  completeJob,
  findCompletedJob,
  findJobOfFile,
  findMaskedContent,
  type JobReview,
  type MaskedJob,
} from '../database/jobs.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { freeBytes } from '../free-bytes.ts'
import type { MatteModel } from '../model/contract.ts'
import { stopwatch } from '../stopwatch.ts'
import { contentTypeOf, objectKey } from '../store/keys.ts'
import { readVerified } from '../store/verified.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Batch, Image, Outcome, ReadableImage } from './contract.ts'
import type { CompletedEvent, FailedEvent, Stages } from './events.ts'
import { type Begun, fail, failedEvent, imageFailure, isCutShort } from './failure.ts'
import { neededIn, removeEarlier, removeOwn } from './leftovers.ts'
import { hasLocalFiles, isFileLost, placeFiles } from './local-files.ts'
import { keptOf, referenceIn } from './reference.ts'
import { skip, skipOwnFile } from './skip.ts'
import { reusableOriginal } from './stored-original.ts'
import { type KeptOriginal, type SentObject, uploadsTo } from './uploads.ts'
import { type Work, workOf } from './work.ts'

/**
 * One image: claim the work on it, make its mask and cut-out, store what is kept of it, complete the row.
 *
 * The row turns completed last. A crash before that leaves objects that no completed row names, and the next run
 * takes up the same job with keys of its own.
 *
 * @throws RmbgError when the next image would fail in the same way (database, model, access to the store)
 */
export async function processOne(batch: Batch, image: Image): Promise<Outcome> {
  const begun: Begun = {
    job: undefined,
    uploads: uploadsTo(batch.store, 'source' in image ? keptOf(batch, image.source) : batch.keep),
    tidied: Promise.resolve(),
  }
  try {
    if ('failure' in image) throw image.failure
    const picture = await measure(batch, image)
    return await batch.memory.runExclusive(async (): Promise<Outcome> => {
      if (batch.signal.aborted) return 'untaken'
      const work = await claim(batch, picture, begun)
      if (work.state === 'own-file') return skipOwnFile(image.candidate, work)
      if (work.state === 'held') return 'held'
      if (work.state === 'completed') return skip(batch, image.candidate, work.job, 'same-content')
      const made = await make(batch, work)
      const stored = await store(work, made)
      const outcome = await complete(batch, work, made, stored)
      if (!batch.deliver && isCompleted(outcome)) freeFiles(work, made)
      return outcome
    }, mebibytes(picture.bytesNeeded))
  } catch (cause) {
    await Promise.all([begun.uploads.settled(), begun.tidied])
    // Its job is let go of when the run ends.
    if (isCutShort(batch, cause)) return 'untaken'
    return fail(batch, image, cause, begun)
  } finally {
    if ('source' in image) await image.source.release?.()
  }
}

const isCompleted = (outcome: Outcome): boolean =>
  typeof outcome === 'object' && outcome.status === 'completed'

/** All of them have been written. Of another outcome an upload may still be on its way, or the image be taken once more. */
const freeFiles = ({ content }: ClaimedWork, { mask, processed }: Made): void =>
  freeBytes(content.bytes, mask.bytes, processed.bytes)

/** An image, and what its header says of the work on it. */
interface Picture {
  image: ReadableImage
  header: ImageHeader
  settings: CutoutRecipe
  /** Estimated peak memory. */
  bytesNeeded: number
}

/** Before anything else: the header alone tells how much memory the image will need. */
async function measure(batch: Batch, image: ReadableImage): Promise<Picture> {
  const header = await image.source.header(batch)
  const settings = { ...batch.cutout, depth: workingDepth(header.bitDepth, batch.cutout) }
  const bytesNeeded = estimateBytes(header, image.source.size, settings)
  assertWithinBudget(bytesNeeded, batch.maxMemory)
  return { image, header, settings, bytesNeeded }
}

/** A job that this run holds, and all that is needed to do it. */
type ClaimedWork = Extract<Claim, { state: 'claimed' }> &
  Picture & {
    /** Milliseconds until the job was claimed. */
    spent: Pick<Stages, 'read' | 'database'>
    content: Content
    mask: MaskOrigin
    /** Of the job: the database gets them when it ends. */
    params: Record<string, unknown>
    begun: Begun
  }

interface Content {
  bytes: Uint8Array
  /** Hex. */
  sha256: string
}

/** 1. Claim: what the file holds decides whether there is work to do, and the database decides who does it. */
async function claim(batch: Batch, picture: Picture, begun: Begun) {
  const lap = stopwatch()
  const bytes = await picture.image.source.read()
  const content = { bytes, sha256: sha256Of(bytes) }
  const read = lap()
  await failPoint('process:read')
  // A job that is named by its id is meant, whatever its original is.
  const own = picture.image.job ? undefined : await findJobOfFile(batch.database.sql, content.sha256)
  if (own) return { state: 'own-file' as const, ...own }
  const mask = await maskOrigin(batch, picture.image, content)
  const { image, header } = picture
  const params = { ...mask.work.params, ...factsOf(image, header) }
  const claimed = await claimUnlessDone(batch, picture, content, { ...mask.work, params })
  if (claimed.state !== 'claimed') return claimed
  begun.job = { ...claimed, params }
  await failPoint('process:claimed')
  begun.tidied = removeEarlier(batch.store, claimed, neededIn(batch))
  const spent = { read, database: lap() }
  return { ...claimed, ...picture, params, spent, content, mask, begun } satisfies ClaimedWork
}

/** A job of which a local file was the only copy is not done when that file is gone. */
async function claimUnlessDone(batch: Batch, picture: Picture, content: Content, work: Work): Promise<Claim> {
  const request = claimRequest(batch, picture, content, work)
  const claimed = await claimJob(batch.database.sql, request)
  if (claimed.state !== 'completed') return claimed
  if (!(await isFileLost(batch, picture.image.candidate, claimed.job))) return claimed
  return claimJob(batch.database.sql, { ...request, jobId: uuidv7(), force: true })
}

interface Made extends Cutout {
  original: Promise<KeptOriginal>
  /** Execution provider of the model; `none` where no model was asked. */
  provider: string
}

/** 2. Make: mask and cut-out, in a thread, while the original is on its way to the store, unless it is there already. */
async function make(batch: Batch, work: ClaimedWork): Promise<Made> {
  const { content, mask, settings } = work
  const original = work.begun.uploads.sendOriginal(work, originalFile(work), sharedOriginal(batch, work))
  const subject =
    mask.from === 'model' ? await mask.model() : { mask: await givenMask(batch, work, mask.job) }
  const cutout = await cutOutInThread(content.bytes, subject, settings, work.header.metadata)
  await failPoint('process:returned')
  return { ...cutout, original, provider: 'provider' in subject ? subject.provider : 'none' }
}

const originalFile = ({ content, header: { extension } }: ClaimedWork) => ({
  ...content,
  extension,
  contentType: contentTypeOf(extension),
})

/** The key of the same original, stored by an earlier job of this user. */
async function sharedOriginal(
  batch: Batch,
  { image, stored, content }: ClaimedWork,
): Promise<string | undefined> {
  const { store, force } = batch
  if (!keptOf(batch, image.source).includes('original')) return undefined
  return reusableOriginal(store, stored, content, { thoroughly: force })
}

interface Stored {
  original: KeptOriginal
  mask: SentObject
  processed: SentObject
  storeMs: number
}

/** 3. Store: send mask and cut-out, and wait for all objects. */
async function store(work: ClaimedWork, made: Made): Promise<Stored> {
  const { uploads } = work.begun
  const lap = stopwatch()
  const mask = uploads.send('mask', work, made.mask)
  const processed = uploads.send('processed', work, made.processed)
  await failPoint('process:uploading')
  await uploads.acknowledged()
  await work.begun.tidied
  await failPoint('process:stored')
  return { original: await made.original, mask, processed, storeMs: lap() }
}

/** 4. Complete: the row says so, in the one statement that also records keys and checksums and ends the lease. */
async function complete(batch: Batch, work: ClaimedWork, made: Made, stored: Stored): Promise<Outcome> {
  const stages = stagesOf(work, made, stored)
  const processingTimeMs = Object.values(stages).reduce((sum, ms) => sum + ms, 0)
  const review = reviewOf(made)
  const figures = { processingTimeMs, stages, review }
  let done = stored
  let isOurs = await completeRow(batch, work, made, done, figures)
  if (!isOurs && done.original.isShared) {
    // The last job that named this original may have been deleted a moment ago.
    const { uploads } = work.begun
    done = { ...stored, original: { ...uploads.send('original', work, originalFile(work)), isShared: false } }
    await uploads.acknowledged()
    isOurs = await completeRow(batch, work, made, done, figures)
  }
  if (!isOurs) {
    // Another run took this one for dead and the job with it, or the job was pruned.
    await removeOwn(batch.store, work.begun.uploads, neededIn(batch))
    return 'held'
  }
  await failPoint('process:completed')
  return withLocalFiles(batch, work, made, completedEvent(batch, work, made, done, figures))
}

type Figures = Pick<CompletedEvent, 'processingTimeMs' | 'stages' | 'review'>

const completeRow = (
  { database, run }: Batch,
  { jobId, attempt, params }: ClaimedWork,
  { provider }: Made,
  { original, mask, processed }: Stored,
  { processingTimeMs, review }: Figures & { review: JobReview },
): Promise<boolean> =>
  completeJob(database.sql, {
    jobId,
    attempt,
    runId: run.id,
    params,
    originalPath: original.key,
    maskPath: mask.key,
    processedPath: processed.key,
    sharesOriginal: original.isShared,
    originalBytes: original.bytes,
    maskBytes: mask.bytes,
    processedBytes: processed.bytes,
    maskSha256: mask.sha256,
    processedSha256: processed.sha256,
    processingTimeMs,
    executionProvider: provider,
    review,
  })

/**
 * Last the local files: only what a completed row names is known as ours later on. Where one cannot be written the job
 * stays completed, and the next run fetches the file from the store.
 */
async function withLocalFiles(
  batch: Batch,
  { image: { candidate }, jobId }: ClaimedWork,
  { mask, processed }: Made,
  event: CompletedEvent,
): Promise<CompletedEvent | FailedEvent> {
  if (!hasLocalFiles(batch)) return event
  try {
    const job = await findCompletedJob(batch.database.sql, jobId)
    if (!job) return event // deleted a moment ago
    const read = { cutout: async () => processed.bytes, mask: async () => mask.bytes }
    const files = await placeFiles(batch, candidate, { job, read, state: 'written' })
    await failPoint('process:written')
    return { ...event, ...files }
  } catch (cause) {
    return failedEvent(candidate.shown, imageFailure(cause), jobId)
  }
}

function completedEvent(
  batch: Batch,
  { image, header, jobId, attempt }: ClaimedWork,
  { provider }: Made,
  { original, mask, processed }: Stored,
  { processingTimeMs, stages, review }: Figures,
): CompletedEvent {
  return {
    type: 'image',
    status: 'completed',
    input: image.candidate.shown,
    jobId,
    attempt,
    width: header.width,
    height: header.height,
    ...(header.frames > 1 && { frames: header.frames }),
    provider,
    processingTimeMs,
    stages,
    inputBytes: image.source.size,
    storedBytes: storedBytes({ original, mask, processed }),
    originalPath: original.key ?? referenceIn(batch, image.source) ?? null,
    maskPath: mask.key,
    processedPath: processed.key,
    review,
  }
}

const storedBytes = ({
  original,
  mask,
  processed,
}: Pick<Stored, 'original' | 'mask' | 'processed'>): number =>
  [...(original.isShared ? [] : [original]), mask, processed]
    .filter(({ key }) => key !== null)
    .reduce((sum, { bytes }) => sum + bytes, 0)

/** Work only: an image that waits for a thread, the model or memory is not being worked on. Whole milliseconds. */
function stagesOf({ spent }: ClaimedWork, made: Made, { storeMs }: Stored): Stages {
  const { decode, model, composite, encode } = made.stages
  const exact = {
    read: spent.read,
    decode,
    model,
    composite,
    encode,
    store: storeMs,
    database: spent.database,
  }
  return Object.fromEntries(Object.entries(exact).map(([stage, ms]) => [stage, Math.round(ms)])) as Stages
}

/** Where the mask of an image comes from, and the parameters that follow from that. */
type MaskOrigin =
  | { from: 'model'; model: () => Promise<MatteModel>; work: Work }
  | { from: 'store'; job: StoredMask; work: Work }

type StoredMask = MaskedJob & { maskPath: string }

/** @throws RmbgError MASK_MISSING */
async function maskOrigin(batch: Batch, image: ReadableImage, content: Content): Promise<MaskOrigin> {
  const { masks, work } = batch
  if (masks !== 'from-store') return { from: 'model', model: masks.model, work }
  const job = image.job ?? (await findMaskedContent(batch.database.sql, content.sha256))
  if (job) return { from: 'store', job, work: workOf({ model: job.model, ...batch.cutoutParams }) }
  throw new RmbgError('MASK_MISSING', 'No mask of this picture is stored.', {
    hint: 'Process it without --from-mask first.',
  })
}

const givenMask = async (
  { store }: Batch,
  { image }: ClaimedWork,
  { maskPath, maskSha256 }: StoredMask,
): Promise<Uint8Array> => image.mendedMask ?? readVerified(store, maskPath, maskSha256)

function claimRequest(
  batch: Batch,
  { image, header }: Picture,
  content: Content,
  { fingerprint, params }: Work,
): ClaimRequest {
  return {
    jobId: uuidv7(),
    source: image.source,
    contentSha256: content.sha256,
    fingerprint,
    params,
    keep: keptOf(batch, image.source),
    userId: batch.user,
    originalPath: (id, attempt) =>
      referenceIn(batch, image.source) ?? objectKey('original', id, attempt, header.extension),
    imageWidth: header.width,
    imageHeight: header.height,
    fileSizeKb: Math.ceil(image.source.size / 1024),
    run: batch.run,
    tags: batch.tags,
    force: batch.force,
  }
}

/** What the row says of the picture besides what changes the result. */
function factsOf({ source }: ReadableImage, { frames }: ImageHeader): Record<string, unknown> {
  const details = source.details?.() ?? {}
  return {
    ...(frames > 1 && { frames }),
    ...(Object.keys(details).length > 0 && { source: details }),
  }
}

/** The figures of the mask, and what a catalogue's rules say of the file. */
function reviewOf({ review, violations }: Cutout): JobReview {
  if (!violations) return { ...review }
  return {
    ...review,
    violations: violations.map(({ rule, message }) => ({ rule, message })),
    reasons: [...review.reasons, ...(violations.length > 0 ? ['rules'] : [])],
  }
}
