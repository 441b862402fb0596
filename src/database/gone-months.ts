/**
 * Months that a prune takes out of a log in months. The detached table is the list of what is to be removed from the store,
 * as tombstones are for single jobs; what each step does is in migrations/0043_gone_months.sql.
 */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import type { IdRange } from './id-range.ts'
import { fence } from './locks.ts'
import { isPartitioned } from './partitions.ts'
import { one } from './rows.ts'
import { utc } from './sql-time.ts'
import type { DueKind, PrunePolicy, Tombstone } from './tombstones.ts'

/** A month all of whose jobs are due, but failed ones that the policy leaves. */
export interface DueMonth {
  /** As in the names of its tables: `2026_11`, or `past` for all that came before the conversion. */
  month: string
  /** Jobs to delete; estimates in a large month, but for those that failed. */
  rows: Pick<Record<DueKind, number>, 'completed' | 'failed'>
  isEstimate: boolean
  /** Of their stored objects. */
  bytes: number
  /** When the first and the last were created. */
  oldest: string | null
  newest: string | null
}

/** Moving this share of a month costs as much as deleting the others one by one. */
const mostStaying = 0.5

/**
 * Which months a policy takes as a whole, and which ids are left to be looked at one by one. Asks the ends of the indexes of
 * each month, so it takes as long for many jobs as for few.
 *
 * @param before by kind, as `isOldAndChosen` has it
 * @param exactly every job is counted, whatever that takes
 * @returns `undefined` for a log that is one table
 */
export async function dueMonths(
  sql: postgres.Sql,
  policy: PrunePolicy,
  before: Partial<Record<DueKind, string>>,
  exactly: boolean,
): Promise<{ months: DueMonth[]; others: IdRange[] } | undefined> {
  if (!(await isPartitioned(sql))) return undefined
  const latest = Object.values(before).sort().at(-1)
  if (latest === undefined) return { months: [], others: [] }
  const isByAge = before.completed !== undefined && policy.keepLast === undefined && !isChosen(policy)
  const rows = await withDatabase<
    IdRange & DueMonth & { isDue: boolean; all: number; failedRows: number; staying: number }
  >(
    () => sql`
      select p.suffix as month, p.from_id as "fromId", p.to_id as "toId", coalesce(f.is_due, false) as "isDue",
        f.rows::float8 as all, f.is_estimate as "isEstimate", f.failed::float8 as "failedRows", f.staying::float8 as staying,
        case when f.is_due then month_bytes(p.from_id, p.to_id) end::float8 as bytes,
        ${utc(sql, sql`f.oldest`)} as oldest, ${utc(sql, sql`f.newest`)} as newest
      from log_partitions() p left join lateral (
        select * from month_figures(p.suffix, p.from_id, p.to_id, ${before.completed ?? null}::text::timestamptz,
          ${before.failed ?? null}::text::timestamptz, ${exactly})
        where ${isByAge} and p.to_id <= uuid7_floor(${before.completed ?? null}::text::timestamptz)
      ) f on true
      -- A job is completed after its id was made, by clocks that are a day apart at most.
      where coalesce(p.from_id < uuid7_floor(${latest}::text::timestamptz + interval '1 day'), true)
      order by p.to_id`,
  )
  const isWhole = ({ isDue, all, staying }: (typeof rows)[number]) => isDue && staying <= all * mostStaying
  return {
    months: rows
      .filter(isWhole)
      .map(({ month, all, failedRows, staying, isEstimate, bytes, oldest, newest }) => ({
        month,
        rows: { completed: all - failedRows, failed: failedRows - staying },
        ...{ isEstimate, bytes, oldest, newest },
      })),
    others: rows.filter((row) => !isWhole(row)).map(({ fromId, toId }) => ({ fromId, toId })),
  }
}

const isChosen = ({ filter: { user, tags, exceptTags } }: PrunePolicy): boolean =>
  user !== undefined || (tags ?? []).length > 0 || (exceptTags ?? []).length > 0

/**
 * Takes a month out of the log. Others wait for the moment that it takes; where they have the log in use, it is given up
 * soon and may be tried again.
 *
 * @param order.most jobs to delete, where more are not allowed
 * @param order.lockId of the lock for `prune`
 * @returns `gone`: the id of the gone month; `changed`: nothing was done, for it is not due as a whole any more; undefined,
 *   and nothing is done, where the lock was lost
 */
export async function retireMonth(
  sql: postgres.Sql,
  order: {
    month: string
    before: Partial<Record<DueKind, string>>
    most: number | null
    lockId: string | undefined
  },
): Promise<{ gone: string } | 'changed' | undefined> {
  const { month, before, most, lockId } = order
  const { isHeld, gone } = one(
    await withDatabase<{ isHeld: boolean; gone: string | null }>(() =>
      sql.begin(async (transaction) => {
        const held = await fence(transaction as unknown as postgres.Sql, lockId)
        if (held.length === 0) return [{ isHeld: false, gone: null }]
        await transaction`set local lock_timeout = '100ms'`
        const [row] = await transaction<{ gone: string | null }[]>`
          select retire_month(${month}, ${before.completed ?? null}::text::timestamptz,
            ${before.failed ?? null}::text::timestamptz, ${most}::float8)::text as gone`
        return [{ isHeld: true, gone: row?.gone ?? null }]
      }),
    ),
  )
  if (!isHeld) return undefined
  return gone === null ? 'changed' : { gone }
}

/** Months that are out of the log, and whose objects may still be there, oldest first. */
export async function goneMonths(sql: postgres.Sql): Promise<string[]> {
  const rows = await withDatabase<{ gone: string }>(
    () => sql`select gone_id::text as gone from gone_months order by gone_id`,
  )
  return rows.map(({ gone }) => gone)
}

/** Takes the bytes of a gone month from the statistics, once. */
export async function settleGoneMonth(sql: postgres.Sql, gone: string): Promise<void> {
  await withDatabase(() => sql`select settle_gone_month(${gone}::bigint)`)
}

/** Jobs of a gone month whose objects are to be deleted, in the order of their ids; none at the end. */
export async function gonePage(sql: postgres.Sql, gone: string, limit: number): Promise<Tombstone[]> {
  return withDatabase<Tombstone>(
    () => sql`
      select job_id as "jobId", keys, shared_key as "sharedKey", bytes::float8 as bytes
      from gone_page(${gone}::bigint, ${limit}) order by job_id`,
  )
}

/** Call it only after the store acknowledged that the objects of the page are gone. */
export async function endGonePage(
  sql: postgres.Sql,
  gone: string,
  page: readonly Pick<Tombstone, 'jobId' | 'bytes'>[],
): Promise<void> {
  const last = page.at(-1)
  if (!last) return
  const bytes = page.reduce((sum, job) => sum + job.bytes, 0)
  await withDatabase(
    () => sql`
      select end_gone_page(${gone}::bigint, ${last.jobId}::uuid, ${page.length}, ${bytes}::float8::bigint)`,
  )
}

/** Call it only at the end of its pages. */
export async function dropGoneMonth(sql: postgres.Sql, gone: string): Promise<void> {
  await withDatabase(() => sql`select drop_gone_month(${gone}::bigint)`)
}
