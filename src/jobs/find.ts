/** Jobs of the log, by their ids or page by page. */
import type { Cache } from '../cache/contract.ts'
import type { Database } from '../database/contract.ts'
import type { JobFilter } from '../database/filters.ts'
import { findJobs, type Job, jobVersion } from '../database/query.ts'
import { RmbgError } from '../errors.ts'
import { type JobPage, queryJobs } from './pages.ts'

/** Jobs of one round trip when all are wanted. */
const allPageSize = 1000

/**
 * Jobs by their ids as one page, kept in the cache under the version of their rows.
 *
 * @throws RmbgError NOT_FOUND naming the first id that has no job
 */
export async function* pageOfIds(
  { sql }: Database,
  cache: Cache,
  ids: readonly string[],
): AsyncGenerator<JobPage> {
  const jobs: Job[] = []
  for (const id of ids) {
    const version = await jobVersion(sql, id)
    const found = version && (await cache.remember(`job:${id}`, version, () => findJobs(sql, [id])))
    if (!found || found.length === 0) {
      throw new RmbgError('NOT_FOUND', `There is no job ${id}.`, { hint: 'It may have been pruned.' })
    }
    jobs.push(...found)
  }
  yield { jobs }
}

export interface PageOptions {
  /** Jobs of one page; with `all` it is larger. */
  limit: number
  /** Go on where this page ended. */
  cursor?: string | undefined
  /** Every page, not only the first. */
  all: boolean
}

/**
 * Pages of the jobs that match, newest first; at least one page, which may be empty.
 *
 * @throws RmbgError USAGE for a cursor of another query, NOT_FOUND for an unknown tag
 */
export async function* jobPages(
  { sql }: Database,
  filter: JobFilter,
  { limit, cursor, all }: PageOptions,
): AsyncGenerator<JobPage> {
  let after = cursor
  do {
    const page = await queryJobs(sql, filter, {
      limit: all ? allPageSize : limit,
      ...(after !== undefined && { after }),
    })
    yield page
    after = page.nextCursor
  } while (all && after !== undefined)
}
