/** What a run gives a person besides the store: the local cut-out and mask of an image, or bytes on standard output. */
import type { CompletedJob } from '../database/jobs.ts'
import { foreseeInBucket, lacksObject, placeInBucket } from './bucket-output.ts'
import type { Batch } from './contract.ts'
import type { Output } from './events.ts'
import type { Candidate } from './inputs.ts'
import { foreseeOutput, lacksFile, placeCutout, placeMask } from './output-file.ts'
import { standingOf } from './standing.ts'

/** As the events of an image name them. */
export interface LocalFiles {
  output?: Output
  maskOutput?: Output
}

interface FilesToPlace {
  job: CompletedJob
  /** The bytes of the files; asked only when they are needed. */
  read: { cutout: () => Promise<Uint8Array>; mask: () => Promise<Uint8Array> }
  /** What written files are called. */
  state: 'written' | 'restored'
}

/** Whether a run has local files at all. */
export const hasLocalFiles = ({ outputOf, outputBucket, maskOf, deliver }: Batch): boolean =>
  [outputOf, outputBucket, maskOf, deliver].some((place) => place !== undefined)

/**
 * Brings the local files of a completed job to their places. In a dry run it only tells.
 *
 * @throws RmbgError OUTPUT_UNWRITABLE, or what `read` throws
 */
export async function placeFiles(
  batch: Batch,
  candidate: Candidate,
  { job, read, state }: FilesToPlace,
): Promise<LocalFiles> {
  const { outputOf, outputBucket, maskOf, deliver } = batch
  if (deliver && !batch.dryRun) await deliver.to(await read[deliver.what]())
  const placing = { job, state, read: read.cutout }
  const output = outputBucket
    ? await placeInBucket(batch, outputBucket, candidate, placing)
    : outputOf && (await placeCutout(batch, outputOf(candidate), placing))
  const maskOutput = maskOf && (await placeMask(batch, maskOf(candidate), { job, state, read: read.mask }))
  return named(output, maskOutput)
}

/**
 * Whether something that a person is to get of a completed job is not there and cannot come from the store, because it
 * was not kept.
 */
export async function isFileLost(
  batch: Batch,
  candidate: Candidate,
  completed: CompletedJob,
): Promise<boolean> {
  const { outputOf, outputBucket, maskOf, deliver } = batch
  if (!hasLocalFiles(batch)) return false
  const { job } = await standingOf(batch, completed)
  if (deliver && job[deliver.what === 'mask' ? 'maskPath' : 'processedPath'] === null) return true
  if (job.processedPath === null) {
    if (outputOf && (await lacksFile(batch, outputOf(candidate), 'cut-out', job))) return true
    if (outputBucket && (await lacksObject(batch, outputBucket, candidate, job))) return true
  }
  if (job.maskPath !== null || !maskOf) return false
  return lacksFile(batch, maskOf(candidate), 'mask', job)
}

/** What would become of the local files of an image that is not made yet. */
export async function foreseeFiles(batch: Batch, candidate: Candidate): Promise<LocalFiles> {
  const { outputOf, outputBucket, maskOf } = batch
  const output = outputBucket
    ? await foreseeInBucket(batch, outputBucket, candidate)
    : outputOf && (await foreseeOutput(batch, outputOf(candidate)))
  const maskOutput = maskOf && (await foreseeOutput(batch, maskOf(candidate), 'mask'))
  return named(output, maskOutput)
}

const named = (output: Output | undefined, maskOutput: Output | undefined): LocalFiles => ({
  ...(output && { output }),
  ...(maskOutput && { maskOutput }),
})
