/** Job ids are UUIDv7, so a span of time is a range of them; in a log in months, such a range names the months to look at. */
import type postgres from 'postgres'
import { type Instant, timeAgo } from './sql-time.ts'

type Expression = postgres.PendingQuery<postgres.Row[]>

/** From the first, up to the second. Null: from the very first. */
export interface IdRange {
  fromId: string | null
  toId: string
}

/** Whether the id of the job `j` is in the range. */
export const inRange = (sql: postgres.Sql, { fromId, toId }: IdRange): Expression => {
  const from = fromId === null ? sql`true` : sql`j.job_id >= ${leastJobId(sql, millisecondsOf(fromId))}`
  return sql`${from} and j.job_id < ${leastJobId(sql, millisecondsOf(toId))}`
}

const dayMs = 86_400_000

/**
 * From when to when the ids of jobs can be that were created in a period: a day more on either side, because an id is made
 * by the clock of a machine that works on the job, and `created_at` by that of the database. In whole days, so that
 * statements with these literals are not always new ones.
 */
export interface IdPeriod {
  /** Milliseconds since 1970. */
  fromMs?: number
  toMs?: number
}

/** The period in which ids of jobs of a filter are. */
export async function idPeriod(
  sql: postgres.Sql,
  { since, until }: { since?: Instant; until?: Instant },
): Promise<IdPeriod> {
  return {
    ...(since && { fromMs: dayBefore(await msOf(sql, since)) }),
    ...(until && { toMs: dayAfter(await msOf(sql, until)) }),
  }
}

const msOf = async (sql: postgres.Sql, when: Instant): Promise<number> =>
  Date.parse('at' in when ? when.at : await timeAgo(sql, when.ago))

export const dayBefore = (ms: number): number => Math.floor(ms / dayMs) * dayMs - dayMs
export const dayAfter = (ms: number): number => Math.ceil(ms / dayMs) * dayMs + dayMs

/** Whether the id of the job `j` is of the period. */
export const inPeriod = (sql: postgres.Sql, { fromMs, toMs }: IdPeriod): Expression => {
  const from = fromMs === undefined ? sql`true` : sql`j.job_id >= ${leastJobId(sql, fromMs)}`
  return toMs === undefined ? from : sql`${from} and j.job_id < ${leastJobId(sql, toMs)}`
}

const millisecondsOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

/**
 * The least job id of a moment, as a literal: the planner leaves out the months that a literal excludes, while it would plan
 * for all of them with a call of a function.
 *
 * @param ms since 1970
 */
export function leastJobId(sql: postgres.Sql, ms: number): Expression {
  const time = Math.min(Math.max(Math.floor(ms), 0), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0')
  return sql.unsafe(
    `'${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000'::uuid`,
  ) as unknown as Expression
}
