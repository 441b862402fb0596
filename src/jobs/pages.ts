import type { Database } from '../database/contract.ts'
import type { JobFilter } from '../database/filters.ts'
import { explainJobPage, findJobPage, type Job } from '../database/query.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'

export interface JobPage {
  jobs: Job[]
  /** Where the next page begins; absent on the last one. */
  nextCursor?: string
}

export interface PageOptions {
  limit: number
  /** The `nextCursor` of the page before, of the same filter. */
  after?: string
}

/**
 * One page of jobs, newest first.
 *
 * @throws RmbgError USAGE when the cursor is damaged or belongs to another filter, NOT_FOUND for an unknown tag
 */
export async function queryJobs(
  sql: Database['sql'],
  filter: JobFilter,
  { limit, after }: PageOptions,
): Promise<JobPage> {
  const position = after === undefined ? undefined : decodeCursor(filter, after)
  const { jobs, next } = await findJobPage(sql, filter, { limit, after: position })
  return { jobs, ...(next && { nextCursor: encodeCursor(filter, next) }) }
}

/** The plan of the query of that page, executed; parameters and errors are those of `queryJobs`. */
export async function explainQuery(
  sql: Database['sql'],
  filter: JobFilter,
  { limit, after }: PageOptions,
): Promise<string[]> {
  const position = after === undefined ? undefined : decodeCursor(filter, after)
  return explainJobPage(sql, filter, { limit, after: position })
}
