/** The local cut-outs, with `--output`: ours are kept up to date there, and what is not ours is never touched. */
import { type CompletedJob, findJobOfCutout } from '../database/jobs.ts'
import { shownPath } from '../system/file-names.ts'
import { type FileVersion, lookAt, type WriteOptions, writeAtomically } from '../system/files.ts'
import { sha256OfFile } from '../system/sha256.ts'
import type { Batch } from './contract.ts'
import type { KeptReason, Output } from './events.ts'
import type { Candidate } from './inputs.ts'

/** How often a path is looked at again because something changed there between the look and the writing. */
const maxTries = 3

/** What a path holds, and so what may be done with it. */
type Verdict =
  | { state: 'free'; over: WriteOptions['over'] }
  | { state: 'unchanged' }
  | { state: 'kept'; reason: KeptReason }

/**
 * Brings the local cut-out of a completed job to its path, unless it is there already or something that is not ours is.
 * In a dry run it only tells.
 *
 * @param path absolute
 * @param read the bytes of the cut-out; asked only when they are needed
 * @param state what a written file is called
 * @throws RmbgError OUTPUT_UNWRITABLE, or what `read` throws
 */
export async function placeCutout(
  batch: Batch,
  path: string,
  { job, read, state }: { job: CompletedJob; read: () => Promise<Uint8Array>; state: 'written' | 'restored' },
): Promise<Output> {
  const shown = shownPath(path)
  for (let tries = 0; tries < maxTries; tries++) {
    const verdict = await judge(batch, path, job)
    if (verdict.state !== 'free') return { path: shown, ...verdict }
    if (batch.dryRun) return { path: shown, state }
    // A later run sees by this time, without reading the file, that nobody has changed it.
    const options = { what: 'cut-out', over: verdict.over, changedAtMs: job.completedAtMs }
    if (await writeAtomically(path, await read(), options)) return { path: shown, state }
  }
  return { path: shown, state: 'kept', reason: 'foreign' }
}

/**
 * Whether the local cut-out of a completed job is to be there, is not, and cannot be restored, because the file was the
 * only copy.
 */
export async function isOutputLost(batch: Batch, candidate: Candidate, job: CompletedJob): Promise<boolean> {
  const path = job.processedPath === null ? batch.outputOf?.(candidate) : undefined
  return path !== undefined && (await judge(batch, path, job)).state === 'free'
}

/** What would become of the local cut-out of an image that is not made yet. */
export async function foreseeOutput(batch: Batch, path: string): Promise<Output> {
  const verdict = await judge(batch, path, undefined)
  const shown = { path: shownPath(path) }
  return verdict.state === 'kept' ? { ...shown, ...verdict } : { ...shown, state: 'written' }
}

/** @param job the job whose cut-out is to be there, if it is known yet */
async function judge(batch: Batch, path: string, job: CompletedJob | undefined): Promise<Verdict> {
  const present = await lookAt(path)
  if (present.kind === 'nothing') return { state: 'free', over: 'nothing' }
  // A folder cannot be replaced; the writing says so.
  if (present.kind === 'folder') return { state: 'free', over: 'anything' }
  if (present.kind === 'file') {
    const { version } = present
    if (job && !batch.checksum && isUntouched(version, job)) return { state: 'unchanged' }
    const sha256 = await digestOf(path)
    if (sha256 !== undefined && sha256 === job?.processedSha256) return { state: 'unchanged' }
    const isOurs = sha256 !== undefined && (await findJobOfCutout(batch.database.sql, sha256)) !== undefined
    if (isOurs) return { state: 'free', over: version }
  }
  if (!batch.overwrite) return { state: 'kept', reason: 'foreign' }
  if (await batch.isInput(path)) return { state: 'kept', reason: 'input' }
  return { state: 'free', over: present.kind === 'file' ? present.version : 'anything' }
}

/** `placeCutout` gives a file the time of its job; who changes a file changes that too. */
const isUntouched = ({ size, mtimeNs }: FileVersion, job: CompletedJob): boolean =>
  Number(size) === job.processedBytes && Math.round(Number(mtimeNs) / 1e6) === job.completedAtMs

/** @returns undefined for a file that cannot be read, which therefore cannot be shown to be ours */
const digestOf = (path: string): Promise<string | undefined> => sha256OfFile(path).catch(() => undefined)
