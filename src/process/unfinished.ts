/** What a batch has left to do. */
import { encodingOf, unstorable } from '../database/encoding.ts'
import { findCompletedBySource, findMaskedJob, type MaskedJob } from '../database/jobs.ts'
import { RmbgError } from '../errors.ts'
import { shownPath } from '../system/file-names.ts'
import type { Batch, Image } from './contract.ts'
import type { ImageEvent } from './events.ts'
import { asRmbgError } from './failure.ts'
import type { Candidate, Candidates } from './inputs.ts'
import { isFileLost } from './local-files.ts'
import { skip } from './skip.ts'
import { inspectSource, originalInStore } from './source.ts'

/** Candidates looked up in one round trip. */
const chunkSize = 500

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
  for (const chunk of chunksOf(candidates)) {
    const inspected = await Promise.all(chunk.map((candidate) => inspect(batch, candidate)))
    const images = await storableNames(batch, inspected)
    const sources = images.flatMap((image) => ('source' in image ? [image.source] : []))
    const jobs = trustTimes
      ? await findCompletedBySource(
          batch.database.sql,
          { fingerprint: batch.work.fingerprint, keep: batch.keep },
          sources,
        )
      : []
    const jobOf = new Map(sources.map((source, index) => [source, jobs[index]]))
    for (const image of images) {
      if (batch.signal.aborted) return
      const job = 'source' in image ? jobOf.get(image.source) : undefined
      if (!job || (await isFileLost(batch, image.candidate, job))) {
        yield image
        continue
      }
      const outcome = await skip(batch, image.candidate, job, 'unchanged')
      if (outcome === 'untaken') return
      onSkipped(outcome)
    }
  }
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

function* chunksOf(candidates: Candidates): Generator<Candidate[]> {
  let chunk: Candidate[] = []
  for (const candidate of candidates) {
    chunk.push(candidate)
    if (chunk.length < chunkSize) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
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
  return { candidate, source: originalInStore(masked, batch.store), job: masked }
}
