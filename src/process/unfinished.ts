/** What a batch has left to do. */
import pLimit from 'p-limit'
import { encodingOf, unstorable } from '../database/encoding.ts'
import {
  type CompletedJob,
  findCompletedBySource,
  findMaskedJob,
  findNamedBySource,
  type MaskedJob,
  type NamedJob,
} from '../database/jobs.ts'
import { RmbgError } from '../errors.ts'
import { shownPath } from '../system/file-names.ts'
import type { Batch, Image } from './contract.ts'
import type { ImageEvent } from './events.ts'
import { asRmbgError } from './failure.ts'
import type { Candidate, Candidates } from './inputs.ts'
import { isFileLost } from './local-files.ts'
import { keptOf, referenceIn } from './reference.ts'
import { isOnlyTold, skip, skippedUnchanged } from './skip.ts'
import { inspectSource, originalOfJob, type Source, sourceAtHand } from './source.ts'

/** Candidates looked up in one round trip. */
const chunkSize = 200

/** While finished images are told of: the database is at work on some, and files of others are looked at. */
const chunksAhead = 2

/** Finished images that are looked after at once where their outputs lie in a bucket: each is a request. */
const looksAtOnce = 16

/**
 * The images that are not completed yet; ends early when the batch is stopped.
 *
 * @param onSkipped told of each of the others
 */
export async function* unfinishedImages(
  batch: Batch,
  candidates: Candidates,
  onSkipped: (event: ImageEvent) => void,
): AsyncGenerator<Image> {
  // With masks from the store, the parameters of an image and so its fingerprint follow from its content.
  const trustTimes = !batch.checksum && !batch.force && batch.masks !== 'from-store'
  const chunks = chunksOf(candidates)
  const next = async (): Promise<Looked | undefined> => {
    const { value: chunk, done } = await chunks.next()
    if (done) return undefined
    const inspected = await inspectAll(batch, chunk)
    const images = await storableNames(batch, inspected)
    return trustTimes ? lookUp(batch, images) : { images, told: nothing, jobs: nothing }
  }
  const ahead: Promise<Looked | undefined>[] = []
  let isAllDone = false
  try {
    while (!batch.signal.aborted) {
      const looked = await (ahead.shift() ?? next())
      if (!looked) return
      // Where all are done, the database is asked about the next ones meanwhile. Others are not looked at before their turn.
      while (isAllDone && ahead.length < chunksAhead) {
        const foreseen = next()
        foreseen.catch(() => {}) // thrown when its turn comes
        ahead.push(foreseen)
      }
      isAllDone = true
      for await (const image of leftOf(batch, looked, onSkipped)) {
        isAllDone = false
        yield image
      }
    }
  } finally {
    chunks.return(undefined).catch(() => {})
  }
}

/** Images that were looked at, and what is known of their sources, as far as times are trusted. */
interface Looked<Some extends Image = Image> {
  images: readonly Some[]
  /** Completed, and nothing but to be told of. */
  told: ReadonlyMap<Source, NamedJob>
  /** Other completed jobs. */
  jobs: ReadonlyMap<Source, CompletedJob>
}

const nothing: ReadonlyMap<Source, never> = new Map<Source, never>()

/**
 * Those of some images that are not completed, or of which a local file was the only copy and is gone; ends early when
 * the batch is stopped.
 *
 * @param onSkipped told of each of the others
 */
export async function* unfinishedOf<Some extends Image>(
  batch: Batch,
  images: readonly Some[],
  onSkipped: (event: ImageEvent) => void,
): AsyncGenerator<Some> {
  yield* leftOf(batch, await lookUp(batch, images), onSkipped)
}

async function lookUp<Some extends Image>(batch: Batch, images: readonly Some[]): Promise<Looked<Some>> {
  const sources = images.flatMap((image) => ('source' in image ? [image.source] : []))
  if (isOnlyTold(batch)) {
    const told = await completedBySource(batch, sources, findNamedBySource)
    // Where there are decisions, each image is asked about by itself, so one question more does not count.
    if (told.size === 0 || !(await batch.hasDecisions())) return { images, told, jobs: nothing }
  }
  return { images, told: nothing, jobs: await completedBySource(batch, sources, findCompletedBySource) }
}

/** Those that are left to do; ends early when the batch is stopped. */
async function* leftOf<Some extends Image>(
  batch: Batch,
  { images, told, jobs }: Looked<Some>,
  onSkipped: (event: ImageEvent) => void,
): AsyncGenerator<Some> {
  const look = async (image: Image) => {
    const job = 'source' in image ? jobs.get(image.source) : undefined
    if (!job || (await isFileLost(batch, image.candidate, job))) return 'unfinished'
    return skip(batch, image.candidate, job, 'unchanged')
  }
  const limit = pLimit(looksAtOnce)
  const looks = batch.outputBucket ? images.map((image) => limit(look, image)) : []
  for (const each of looks) each.catch(() => {}) // the loop throws it, when its turn comes
  try {
    for (const [index, image] of images.entries()) {
      if (batch.signal.aborted) return
      const known = 'source' in image ? told.get(image.source) : undefined
      if (known) {
        onSkipped(skippedUnchanged(image.candidate, known))
        continue
      }
      const outcome = await (looks[index] ?? look(image))
      if (outcome === 'untaken') return
      if (outcome === 'unfinished') yield image
      else onSkipped(outcome)
    }
  } finally {
    limit.clearQueue()
  }
}

/** Which of these are done, by source: of one that is referenced no original has to be kept. */
async function completedBySource<Job>(
  batch: Batch,
  sources: readonly Source[],
  find: (...wanted: Parameters<typeof findNamedBySource>) => Promise<(Job | undefined)[]>,
): Promise<Map<Source, Job>> {
  const { sql } = batch.database
  const { fingerprint } = batch.work
  const found = new Map<Source, Job>()
  const [referenced, others] = [true, false].map((isReferenced) =>
    sources.filter((source) => (referenceIn(batch, source) !== undefined) === isReferenced),
  )
  for (const alike of [referenced, others]) {
    const [first] = alike ?? []
    if (!alike || !first) continue
    const jobs = await find(sql, { fingerprint, keep: keptOf(batch, first) }, alike)
    for (const [index, job] of jobs.entries()) if (job) found.set(alike[index]!, job)
  }
  return found
}

/** A name that the database cannot store fails its image alone, and is logged in characters that it can. */
async function storableNames({ database: { sql } }: Batch, images: Image[]): Promise<Image[]> {
  const lost = await unstorable(sql, images.map(loggedName))
  if (lost.size === 0) return images
  return images.map((image) => {
    const name = loggedName(image)
    if (!lost.has(name)) return image
    const failure = new RmbgError(
      'INPUT_UNSUPPORTED',
      `The database, with its encoding ${encodingOf(sql)}, cannot store the name of this file.`,
      { hint: 'Rename the file, or move to a database of the encoding UTF8.' },
    )
    return { candidate: { ...image.candidate, loggedPath: inAscii(name) }, failure }
  })
}

const loggedName = (image: Image): string =>
  'source' in image ? image.source.path : (image.candidate.loggedPath ?? shownPath(image.candidate.path))

/** As in JSON: `\\u0130`. */
const inAscii = (text: string): string =>
  text.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

async function* chunksOf(candidates: Candidates): AsyncGenerator<Candidate[]> {
  yield* chunks(candidates)
  // What has come is taken at once, however little it is.
  for await (const page of candidates.more ?? []) yield* chunks(page)
}

function* chunks(candidates: Iterable<Candidate>): Generator<Candidate[]> {
  let chunk: Candidate[] = []
  for (const candidate of candidates) {
    chunk.push(candidate)
    if (chunk.length < chunkSize) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** Of plain files at hand there is nothing to wait for: of many, a promise each is more work than the look. */
async function inspectAll(batch: Batch, candidates: readonly Candidate[]): Promise<Image[]> {
  const images: Image[] = []
  const later: Promise<void>[] = []
  for (const [index, candidate] of candidates.entries()) {
    const isFile = !candidate.inspect && candidate.jobId === undefined
    const source = isFile ? sourceAtHand(candidate.path, candidate.loggedPath) : undefined
    if (source) images[index] = { candidate, source }
    else
      later.push(
        inspect(batch, candidate).then((image) => {
          images[index] = image
        }),
      )
  }
  await Promise.all(later)
  return images
}

async function inspect(batch: Batch, candidate: Candidate): Promise<Image> {
  try {
    if (candidate.inspect) return { candidate, source: await candidate.inspect() }
    if (candidate.jobId === undefined)
      return { candidate, source: await inspectSource(candidate.path, candidate.loggedPath) }
    const job = await findMaskedJob(batch.database.sql, candidate.jobId)
    if (job) return imageOfJob(batch, candidate, job)
    throw new RmbgError('MASK_MISSING', 'There is no completed job of this id.')
  } catch (error) {
    return { candidate, failure: asRmbgError(error) }
  }
}

/** @throws RmbgError MASK_MISSING where mask or original was not kept */
function imageOfJob(batch: Batch, candidate: Candidate, job: MaskedJob): Image {
  const { maskPath, originalPath } = job
  if (maskPath === null) throw new RmbgError('MASK_MISSING', 'The mask of this job was not kept (--keep).')
  if (originalPath === null) {
    throw new RmbgError('MASK_MISSING', 'The original of this job was not kept (--keep).', {
      hint: 'Name the file itself instead of the job.',
    })
  }
  const masked = { ...job, maskPath, originalPath }
  return { candidate, source: originalOfJob(masked, batch), job: masked }
}
