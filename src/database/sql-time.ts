import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'

type Expression = postgres.PendingQuery<postgres.Row[]>

/** A point in time: `ago` is an interval of PostgreSQL, counted back from the database's clock; `at` is ISO 8601. */
export type Instant = { ago: string } | { at: string }

/**
 * A point in time as an expression. Times travel as text: postgres.js 3.4.9 makes a JS Date of a timestamptz parameter,
 * which loses the microseconds.
 */
export const instant = (sql: postgres.Sql, when: Instant): Expression =>
  'at' in when ? sql`${when.at}::text::timestamptz` : sql`now() - ${when.ago}::interval`

/** A timestamptz as ISO 8601 text in UTC, with the microseconds that a JS Date would lose: cursors need them. */
export const utc = (sql: postgres.Sql, time: Expression): Expression =>
  sql`to_char((${time}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/**
 * The time so long ago, by the database's clock.
 *
 * @param interval of PostgreSQL
 * @returns ISO 8601, UTC, microseconds
 */
export async function timeAgo(sql: postgres.Sql, interval: string): Promise<string> {
  const rows = await withDatabase<{ time: string }>(
    () => sql`select ${utc(sql, sql`now() - ${interval}::interval`)} as time`,
  )
  return one(rows).time
}
