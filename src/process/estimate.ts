/** How long a run will take and what it will store, by the log's own figures. */
import { stat } from 'node:fs/promises'
import type { Database } from '../database/contract.ts'
import { findCompletedBySource } from '../database/jobs.ts'
import { type RecentJob, recentJobs } from '../database/recent-jobs.ts'
import type { ObjectKind } from '../store/contract.ts'
import { shownPath, systemPath } from '../system/file-names.ts'
import type { Estimate } from './events.ts'
import type { Candidate, Candidates } from './inputs.ts'
import type { Work } from './work.ts'

/** Of many inputs, so many are looked at. */
const sampledInputs = 400
/** Jobs of the same settings, or of pictures of a similar size, that are enough to leave out the others. */
const enoughJobs = 20

/**
 * Estimates a run from a sample of its inputs, in some tens of milliseconds however many there are.
 *
 * @param options.redo every image is done, whatever was done before
 */
export async function estimateRun(
  candidates: Candidates,
  { sql }: Database,
  { work, keep, redo }: { work: Work; keep: readonly ObjectKind[]; redo: boolean },
): Promise<Estimate> {
  const found = await Promise.all(sample(candidates, sampledInputs).map(inspect))
  const sources = found.flatMap((source) => source ?? [])
  const { fingerprint } = work
  const done = redo ? [] : await findCompletedBySource(sql, { fingerprint, keep }, sources)
  const open = sources.filter((_, index) => done[index] === undefined)
  const scale = candidates.length / Math.max(found.length, 1)
  const images = Math.round(open.length * scale)
  const inputBytes = Math.round(open.reduce((sum, { size }) => sum + size, 0) * scale)
  return estimateOf({ images, inputBytes }, sql, { work, keep })
}

/** The same for images that are known already. */
export async function estimateOf(
  { images, inputBytes }: { images: number; inputBytes: number },
  sql: Database['sql'],
  { work: { params, fingerprint }, keep }: { work: Work; keep: readonly ObjectKind[] },
): Promise<Estimate> {
  const model = params.model as Record<string, unknown> | undefined
  const jobs = model && images > 0 ? await recentJobs(sql, { model, fingerprint }) : []
  return { images, inputBytes, ...forecast(jobs, { images, inputBytes, keep }) }
}

/** What jobs of the past say about so many images of so many bytes. */
export function forecast(
  jobs: readonly RecentJob[],
  { images, inputBytes, keep }: { images: number; inputBytes: number; keep: readonly ObjectKind[] },
): Pick<Estimate, 'storedBytes' | 'seconds'> {
  if (images === 0) return { storedBytes: 0, seconds: 0 }
  if (jobs.length === 0) return { storedBytes: null, seconds: null }
  const usual = inputBytes / images
  const similar = unlessFew(jobs, ({ sourceBytes }) => sourceBytes > usual / 4 && sourceBytes < usual * 4)
  const same = unlessFew(similar, ({ isSame }) => isSame)
  const mean = (bytes: (job: RecentJob) => number) =>
    same.reduce((sum, job) => sum + bytes(job), 0) / same.length
  const perImage: Record<ObjectKind, number> = {
    original: usual,
    mask: mean(({ maskBytes }) => maskBytes),
    processed: mean(({ processedBytes }) => processedBytes),
  }
  const bytes = keep.reduce((sum, kind) => sum + perImage[kind], 0)
  return {
    storedBytes: Math.round(bytes * images),
    seconds: Math.round((busySeconds(similar) / similar.length) * images),
  }
}

function unlessFew<Job>(jobs: readonly Job[], isWanted: (job: Job) => boolean): readonly Job[] {
  const wanted = jobs.filter(isWanted)
  return wanted.length >= enoughJobs ? wanted : jobs
}

/** The time in which at least one of the jobs was in work: pauses between runs do not count, nor does overlap. */
function busySeconds(jobs: readonly RecentJob[]): number {
  const inOrder = [...jobs].sort((a, b) => a.startedAtMs - b.startedAtMs)
  let busyMs = 0
  let until = Number.NEGATIVE_INFINITY
  for (const { startedAtMs, completedAtMs } of inOrder) {
    busyMs += Math.max(0, completedAtMs - Math.max(startedAtMs, until))
    until = Math.max(until, completedAtMs)
  }
  return busyMs / 1000
}

/** So many of them, evenly spread. */
function sample(candidates: Candidates, count: number): Candidate[] {
  const step = Math.max(candidates.length / count, 1)
  const chosen: Candidate[] = []
  let index = 0
  for (const candidate of candidates) {
    if (index >= chosen.length * step) chosen.push(candidate)
    index++
  }
  return chosen
}

/** @returns undefined for what cannot be read, which takes no time either */
async function inspect({ path }: Candidate) {
  const file = await stat(systemPath(path), { bigint: true }).catch(() => undefined)
  if (!file?.isFile()) return undefined
  return { path: shownPath(path), size: Number(file.size), mtimeNs: file.mtimeNs }
}
