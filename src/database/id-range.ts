/** Job ids are UUIDv7, so a span of time is a range of them; in a log in months, such a range names the months to look at. */
import type postgres from 'postgres'

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
  return sql.unsafe(`'${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000'::uuid`) as unknown as Expression
}
