import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'
import { type Instant, instant } from './sql-time.ts'

/** What the rollup counts by; `day` is the whole of each day. */
export const dimensions = ['day', 'user', 'model', 'tag', 'status', 'error'] as const
export type Dimension = (typeof dimensions)[number]

/** Ended jobs of one day, user, model and so on. Times are of completed jobs, in milliseconds. */
export interface Usage {
  /** The day (UTC, by creation), user id, model, tag, status or error code. */
  value: string
  jobs: number
  completed: number
  failed: number
  needReview: number
  /** Percent of the jobs that ended; null when none did. */
  errorRate: number | null
  meanMs: number | null
  /** Known to 9 %, from a histogram; null where none is kept (users, tags) and where no job was timed. */
  p25Ms: number | null
  p50Ms: number | null
  p75Ms: number | null
  p95Ms: number | null
  /** What the store holds of these jobs now; null where that is not kept (tags, errors). */
  storedBytes: number | null
  /** 1 are the users with the most jobs; users only. */
  quartile?: number
}

export interface Period {
  /** Days, both included: `2026-11-01`. */
  from: string
  to: string
}

/** The days from one point in time to another. */
export async function resolvePeriod(
  sql: postgres.Sql,
  { since, until }: { since: Instant; until: Instant | undefined },
): Promise<Period> {
  const last = until ? sql`${instant(sql, until)} - interval '1 microsecond'` : sql`now()`
  const rows = await withDatabase<Period>(
    () => sql`
      select ((${instant(sql, since)}) at time zone 'UTC')::date::text as from,
        ((${last}) at time zone 'UTC')::date::text as to`,
  )
  return one(rows)
}

/** Adds the log of changes up: cheap, and done at the end of every run. */
export async function foldUsage(sql: postgres.Sql): Promise<void> {
  await withDatabase(() => sql`select fold_usage()`)
}

/** Changes with everything that `usageTotal` and `usageBy` tell, and with nothing else but the day. */
export async function usageVersion(sql: postgres.Sql): Promise<string> {
  const rows = await withDatabase(
    () => sql<{ version: string }[]>`
      select concat_ws(' ', (select folds from usage_state), count(*), sum(change_id),
        (now() at time zone 'UTC')::date) as version
      from usage_changes`,
  )
  return one(rows).version
}

/** Rollup and what is not folded yet, as if it were one table. */
const usage = (sql: postgres.Sql, dimension: string, { from, to }: Period) => sql`
  select stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs, sum_processing_time_ms,
    original_bytes + mask_bytes + processed_bytes as stored_bytes
  from daily_usage where dimension = ${dimension} and stat_date between ${from}::text::date and ${to}::text::date
  union all
  select stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs, sum_processing_time_ms,
    original_bytes + mask_bytes + processed_bytes
  from usage_changes where dimension = ${dimension} and stat_date between ${from}::text::date and ${to}::text::date`

const latency = (sql: postgres.Sql, dimension: string, { from, to }: Period) => sql`
  select stat_date, value, bucket, jobs from daily_latency
  where dimension = ${dimension} and stat_date between ${from}::text::date and ${to}::text::date
  union all
  select stat_date, value, bucket, timed_jobs from usage_changes
  where dimension = ${dimension} and stat_date between ${from}::text::date and ${to}::text::date and bucket is not null`

const sums = (sql: postgres.Sql) => sql`
  sum(completed_jobs) as completed, sum(failed_jobs) as failed, sum(review_jobs) as review, sum(timed_jobs) as timed,
  sum(sum_processing_time_ms) as ms, sum(stored_bytes) as bytes`

const columns = (sql: postgres.Sql) => sql`
  (u.completed + u.failed)::float8 as jobs, u.completed::float8, u.failed::float8, u.review::float8 as "needReview",
  (100.0 * u.failed / nullif(u.completed + u.failed, 0))::float8 as "errorRate",
  (u.ms / nullif(u.timed, 0))::float8 as "meanMs", u.bytes::float8 as "storedBytes"`

/** Percentiles of a histogram: the place within the bucket that the share falls into, on the bucket's own scale. */
const percentiles = (sql: postgres.Sql, key: postgres.PendingQuery<postgres.Row[]>) => {
  const percentile = (share: number) => sql`
    min(case when ${share}::float8 * total > through - jobs and ${share}::float8 * total <= through
      then power(2, (bucket + (${share}::float8 * total - (through - jobs))::float8 / jobs) / 8) - 1 end)::float8`
  return sql`
  select ${key} as key, ${percentile(0.25)} as p25, ${percentile(0.5)} as p50, ${percentile(0.75)} as p75,
    ${percentile(0.95)} as p95
  from (
    select ${key}, bucket, jobs, sum(jobs) over (partition by ${key} order by bucket) as through,
      sum(jobs) over (partition by ${key}) as total
    from (select ${key}, bucket, sum(jobs) as jobs from latency group by 1, 2 having sum(jobs) > 0) h
  ) c group by 1`
}

const percentileColumns = (sql: postgres.Sql) => sql`
  p.p25 as "p25Ms", p.p50 as "p50Ms", p.p75 as "p75Ms", p.p95 as "p95Ms"`

/** Everything of a period together. */
export async function usageTotal(sql: postgres.Sql, period: Period): Promise<Usage> {
  const [row] = await withDatabase<Usage>(
    () => sql`
      with usage as (${usage(sql, 'all', period)}), latency as (${latency(sql, 'all', period)}),
      u as (select ${sums(sql)} from usage having count(*) > 0),
      p as (${percentiles(sql, sql`value`)})
      select 'all' as value, ${columns(sql)}, ${percentileColumns(sql)} from u left join p on true`,
  )
  return row ?? noUsage('all')
}

export const noUsage = (value: string): Usage => ({
  ...{ value, jobs: 0, completed: 0, failed: 0, needReview: 0, errorRate: null },
  ...{ meanMs: null, p25Ms: null, p50Ms: null, p75Ms: null, p95Ms: null, storedBytes: 0 },
})

/**
 * A period by one dimension: days in their order with the empty ones, everything else by volume, at most `limit`.
 * What stands still open (pending, processing) is in no rollup; see `unfinishedJobs`.
 */
export async function usageBy(
  sql: postgres.Sql,
  dimension: Dimension,
  period: Period,
  limit: number,
): Promise<Usage[]> {
  if (dimension === 'day') return usageByDay(sql, period)
  if (dimension === 'status') return usageByStatus(await usageTotal(sql, period))
  const rows = await withDatabase(
    () => sql`
      with usage as (${usage(sql, dimension, period)}), latency as (${latency(sql, dimension, period)}),
      u as (select value, ${sums(sql)} from usage group by value having sum(completed_jobs + failed_jobs) > 0),
      p as (${percentiles(sql, sql`value`)})
      select u.value, ${columns(sql)}, ${percentileColumns(sql)},
        -- Ties fall the same way every time.
        ntile(4) over (order by u.completed + u.failed desc, u.value) as quartile
      from u left join p on p.key = u.value
      order by u.completed + u.failed desc, u.value limit ${limit}`,
  )
  const keepsBytes = dimension === 'user' || dimension === 'model'
  return rows.map(({ quartile, storedBytes: bytes, ...row }) => ({
    ...(row as Usage),
    storedBytes: keepsBytes ? bytes : null,
    ...(dimension === 'user' && { quartile }),
  }))
}

async function usageByDay(sql: postgres.Sql, period: Period): Promise<Usage[]> {
  return withDatabase<Usage>(
    () => sql`
      with usage as (${usage(sql, 'all', period)}), latency as (${latency(sql, 'all', period)}),
      u as (
        select day::date, coalesce(sum(completed_jobs), 0) as completed, coalesce(sum(failed_jobs), 0) as failed,
          coalesce(sum(review_jobs), 0) as review, sum(timed_jobs) as timed, sum(sum_processing_time_ms) as ms,
          coalesce(sum(stored_bytes), 0) as bytes
        from generate_series(${period.from}::text::date, ${period.to}::text::date, interval '1 day') day
        left join usage on stat_date = day::date group by 1
      ),
      p as (${percentiles(sql, sql`stat_date`)})
      select u.day::text as value, ${columns(sql)}, ${percentileColumns(sql)}
      from u left join p on p.key = u.day order by u.day`,
  )
}

/** The two ways in which a job ends, of the figures of all. */
export function usageByStatus(total: Usage): Usage[] {
  const { completed, failed } = total
  return [
    { ...total, value: 'completed', jobs: completed, failed: 0, errorRate: completed > 0 ? 0 : null },
    {
      ...noUsage('failed'),
      jobs: failed,
      failed,
      errorRate: failed > 0 ? 100 : null,
    },
  ]
}

/** Jobs that have not ended, now. */
export async function unfinishedJobs(sql: postgres.Sql): Promise<{ pending: number; processing: number }> {
  const rows = await withDatabase<{ pending: number; processing: number }>(
    () => sql`
      select (count(*) filter (where claim_id is null))::float8 as pending, count(claim_id)::float8 as processing
      from open_jobs`,
  )
  return one(rows)
}

/** Bytes of the objects in the store, now. */
export interface StoredBytes {
  original: number
  mask: number
  processed: number
  /** Of deleted jobs whose objects are still to be deleted. */
  awaitingDeletion: number
  /** Of deleted jobs whose objects were kept on purpose. */
  kept: number
}

export async function storedBytes(sql: postgres.Sql): Promise<StoredBytes> {
  const rows = await withDatabase<StoredBytes>(
    () => sql`
      with bytes as (
        select original_bytes, mask_bytes, processed_bytes from daily_usage where dimension = 'all'
        union all
        select original_bytes, mask_bytes, processed_bytes from usage_changes where dimension = 'all'
      ), dead as (
        select coalesce(sum(bytes) filter (where not kept), 0)::float8
            + (select coalesce(sum(bytes), 0) from gone_months)::float8 as awaiting,
          coalesce(sum(bytes) filter (where kept), 0)::float8 as kept from tombstones
      )
      select coalesce(sum(original_bytes), 0)::float8 as original, coalesce(sum(mask_bytes), 0)::float8 as mask,
        coalesce(sum(processed_bytes), 0)::float8 as processed,
        (select awaiting from dead) as "awaitingDeletion", (select kept from dead) as kept
      from bytes`,
  )
  return one(rows)
}
