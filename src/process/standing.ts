/** What people have decided about a completed job: a review may have put another version in its place. */
import { type CompletedJob, findCompletedJob } from '../database/jobs.ts'
import type { Verdict } from '../database/verdicts.ts'
import { decisionOn } from '../database/versions.ts'
import type { Batch } from './contract.ts'

export interface Standing {
  /** The version that counts. */
  job: CompletedJob
  verdict: Verdict
}

/** The version of a completed job that counts, and the verdict on it. */
export async function standingOf(batch: Batch, job: CompletedJob): Promise<Standing> {
  if (!(await batch.hasDecisions())) return { job, verdict: 'open' }
  const { sql } = batch.database
  const { jobId, verdict } = await decisionOn(sql, job.jobId)
  if (jobId === job.jobId) return { job, verdict }
  const current = await findCompletedJob(sql, jobId)
  return current ? { job: current, verdict } : { job, verdict: 'open' } // deleted a moment ago
}
