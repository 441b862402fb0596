/** Local cut-outs and masks: ours are kept up to date there, and what is not ours is never touched. */
import { type CompletedJob, findJobOfCutout, findJobOfMask } from '../database/jobs.ts'
import { shownPath } from '../system/file-names.ts'
import { type FileVersion, lookAt, type WriteOptions, writeAtomically } from '../system/files.ts'
import { sha256OfFile } from '../system/sha256.ts'
import type { Batch } from './contract.ts'
import type { KeptReason, Output } from './events.ts'

/** How often a path is looked at again because something changed there between the look and the writing. */
const maxTries = 3

/** What of a job lies in a local file. */
type LocalKind = 'cut-out' | 'mask'

const findOwner = { 'cut-out': findJobOfCutout, mask: findJobOfMask }
const factsOf = (kind: LocalKind, job: CompletedJob) =>
  kind === 'mask'
    ? { bytes: job.maskBytes, sha256: job.maskSha256 }
    : { bytes: job.processedBytes, sha256: job.processedSha256 }

/** What a path holds, and so what may be done with it. */
type Verdict =
  | { state: 'free'; over: WriteOptions['over'] }
  | { state: 'unchanged' }
  | { state: 'kept'; reason: KeptReason }

export interface Placing {
  job: CompletedJob
  /** The bytes of the file; asked only when they are needed. */
  read: () => Promise<Uint8Array>
  /** What a written file is called. */
  state: 'written' | 'restored'
}

/**
 * Brings the local cut-out of a completed job to its path, unless it is there already or something that is not ours is.
 * In a dry run it only tells.
 *
 * @param path absolute
 * @throws RmbgError OUTPUT_UNWRITABLE, or what `read` throws
 */
export const placeCutout = (batch: Batch, path: string, placing: Placing): Promise<Output> =>
  place(batch, path, 'cut-out', placing)

/** The same for the local mask. */
export const placeMask = (batch: Batch, path: string, placing: Placing): Promise<Output> =>
  place(batch, path, 'mask', placing)

async function place(
  batch: Batch,
  path: string,
  what: LocalKind,
  { job, read, state }: Placing,
): Promise<Output> {
  const shown = shownPath(path)
  for (let tries = 0; tries < maxTries; tries++) {
    const verdict = await judge(batch, path, what, job)
    if (verdict.state !== 'free') return { path: shown, ...verdict }
    if (batch.dryRun) return { path: shown, state }
    // A later run sees by this time, without reading the file, that nobody has changed it.
    const options = { what, over: verdict.over, changedAtMs: job.completedAtMs }
    if (await writeAtomically(path, await read(), options)) return { path: shown, state }
  }
  return { path: shown, state: 'kept', reason: 'foreign' }
}

/** Whether a local file of a completed job has to be written, because it is not there or is an older one of ours. */
export const lacksFile = async (
  batch: Batch,
  path: string,
  what: LocalKind,
  job: CompletedJob,
): Promise<boolean> => (await judge(batch, path, what, job)).state === 'free'

/** What would become of a local file of an image that is not made yet. */
export async function foreseeOutput(
  batch: Batch,
  path: string,
  what: LocalKind = 'cut-out',
): Promise<Output> {
  const verdict = await judge(batch, path, what, undefined)
  const shown = { path: shownPath(path) }
  return verdict.state === 'kept' ? { ...shown, ...verdict } : { ...shown, state: 'written' }
}

/** @param job the job whose file is to be there, if it is known yet */
async function judge(
  batch: Batch,
  path: string,
  what: LocalKind,
  job: CompletedJob | undefined,
): Promise<Verdict> {
  const present = await lookAt(path)
  if (present.kind === 'nothing') return { state: 'free', over: 'nothing' }
  // A folder cannot be replaced; the writing says so.
  if (present.kind === 'folder') return { state: 'free', over: 'anything' }
  if (present.kind === 'file') {
    const { version } = present
    if (job && !batch.checksum && isUntouched(version, what, job)) return { state: 'unchanged' }
    const sha256 = await digestOf(path)
    if (sha256 !== undefined && job && sha256 === factsOf(what, job).sha256) return { state: 'unchanged' }
    const isOurs = sha256 !== undefined && (await findOwner[what](batch.database.sql, sha256)) !== undefined
    if (isOurs) return { state: 'free', over: version }
  }
  if (!batch.overwrite) return { state: 'kept', reason: 'foreign' }
  if (await batch.isInput(path)) return { state: 'kept', reason: 'input' }
  return { state: 'free', over: present.kind === 'file' ? present.version : 'anything' }
}

/** `place` gives a file the time of its job; who changes a file changes that too. */
const isUntouched = ({ size, mtimeNs }: FileVersion, what: LocalKind, job: CompletedJob): boolean =>
  Number(size) === factsOf(what, job).bytes && Math.round(Number(mtimeNs) / 1e6) === job.completedAtMs

/** @returns undefined for a file that cannot be read, which therefore cannot be shown to be ours */
const digestOf = (path: string): Promise<string | undefined> => sha256OfFile(path).catch(() => undefined)
