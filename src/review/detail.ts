/** All that a large view shows of a cut-out. */
import type { Database } from '../database/contract.ts'
import { findJobs, type Job } from '../database/query.ts'
import { verdictsOf } from '../database/verdicts.ts'
import { versionsOf } from '../database/versions.ts'
import { RmbgError } from '../errors.ts'
import { recordedCutout, typedCutout } from '../settings/recorded-cutout.ts'
import type { Detail } from './contract.ts'

/**
 * The completed job of this id.
 *
 * @throws RmbgError NOT_FOUND
 */
export async function completedJob({ sql }: Database, jobId: string): Promise<Job> {
  const [job] = await findJobs(sql, [jobId])
  if (job?.status === 'completed') return job
  throw new RmbgError('NOT_FOUND', `There is no completed job ${jobId}.`, {
    hint: 'It may have been pruned.',
  })
}

/** @throws RmbgError NOT_FOUND */
export async function detailOf(database: Database, jobId: string): Promise<Detail> {
  const job = await completedJob(database, jobId)
  const [said, versions] = await Promise.all([
    verdictsOf(database.sql, jobId),
    versionsOf(database.sql, jobId),
  ])
  const { given, lacksBackground } = recordedCutout(job.params)
  const { reasons, violations } = reviewOf(job)
  const isTransparent = given.background === undefined && !lacksBackground && given.format !== 'jpeg'
  return {
    jobId,
    name: job.sourceName,
    doubt: 0,
    reasons,
    width: job.imageWidth,
    height: job.imageHeight,
    verdict: job.verdict ?? 'open',
    user: job.userId,
    createdAt: job.createdAt,
    model: job.model,
    source: job.sourcePath,
    tags: job.tags,
    violations,
    kept: {
      original: job.originalPath !== null,
      mask: job.maskPath !== null,
      processed: job.processedPath !== null,
    },
    isOverlay: isTransparent && !given.trim && given.size === undefined && given.padding === undefined,
    settings: typedCutout(given),
    lacksBackground,
    said,
    versions,
  }
}

/** Rows of early versions hold no reasons. */
export function reviewOf({ review }: Pick<Job, 'review'>): { reasons: string[]; violations: string[] } {
  const { reasons = [], violations = [] } = (review ?? {}) as {
    reasons?: string[]
    violations?: { message: string }[]
  }
  return { reasons, violations: violations.map(({ message }) => message) }
}
