/**
 * The months of a log that `rmbg migrate --partition` has converted (partition-log.ts): job ids are UUIDv7, so a month is a
 * range of ids. A log that nobody converted is one table, and nothing here does anything then.
 */
import type postgres from 'postgres'
import { databaseError, withDatabase } from './errors.ts'
import { one } from './rows.ts'

/** Made ahead: whoever works on a log makes room for the months to come, long before they begin. */
const monthsAhead = 3

/** What was found of a log; one in months never becomes one table again, and another process may convert one. */
const found = new WeakMap<postgres.Sql, { isPartitioned: boolean; until: number }>()
const askAgainMs = 60_000

/** Whether the log is in months. One that is not may be known to be so for a minute after it was converted. */
export async function isPartitioned(sql: postgres.Sql): Promise<boolean> {
  const known = found.get(sql)
  if (known && (known.isPartitioned || Date.now() < known.until)) return known.isPartitioned
  const { is } = one(await withDatabase<{ is: boolean }>(() => sql`select log_is_partitioned() as is`))
  found.set(sql, { isPartitioned: is, until: Date.now() + askAgainMs })
  return is
}

/** Forgets what `isPartitioned` found. */
export const lookAgain = (sql: postgres.Sql): boolean => found.delete(sql)

/**
 * Makes room for this month and those to come, where the log is partitioned. Cheap, and right at the beginning of
 * whatever adds jobs, and every few days while it goes on.
 *
 * @returns the months that were made, such as `2027_01`
 * @throws RmbgError of family `database`
 */
export async function ensurePartitions(sql: postgres.Sql): Promise<string[]> {
  const rows = await withDatabase<{ month: string }>(
    () => sql`select month from ensure_partitions(${monthsAhead}) month`,
  )
  return rows.map(({ month }) => month)
}

/**
 * Does what adds jobs to the log. Where a month is missing, because some clock is wrong or nobody made it ahead, the
 * month is made and the statement sent again: no job is lost for want of a place.
 *
 * @param jobIds of the jobs that it may add
 */
export async function withRoom<T>(
  sql: postgres.Sql,
  jobIds: readonly string[],
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!lacksRoom(error)) throw error
  }
  await withDatabase(() => sql`select make_room_for(${sql.json([...jobIds])})`)
  return ask()
}

/** A row that no partition takes, or that the check of a conversion which was given up refuses. */
function lacksRoom(error: unknown): boolean {
  const { code, constraint_name: constraint } = (databaseError(error).cause ?? {}) as {
    code?: string
    constraint_name?: string
  }
  return code === '23514' && (constraint === undefined || constraint.endsWith('_past_ids'))
}
