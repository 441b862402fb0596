/** What leaves the log in an export: which months it has, and their rows as CSV. */
import type postgres from 'postgres'
import { copyOut } from './copy-out.ts'
import { withDatabase } from './errors.ts'
import { type Instant, instant } from './sql-time.ts'

/**
 * The columns of an exported job, in the order of the CSV. Neither keys of objects nor digests of masks and cut-outs:
 * a backup has these, and they double the size. No names and addresses of users: only ids. Of web addresses neither
 * user nor query, which hold passwords and signatures. The last two tell where the next page begins.
 */
export const exportColumns = [
  ...(['user_id', 'status', 'completed_at', 'processing_time_ms', 'image_width', 'image_height'] as const),
  ...(['file_size_kb', 'source_size', 'source_path', 'content_sha256', 'fingerprint', 'model', 'params'] as const),
  ...(['execution_provider', 'attempt', 'kept', 'original_bytes', 'original_shared', 'mask_bytes'] as const),
  ...(['processed_bytes', 'needs_review', 'review_reasons', 'error_code', 'error_message', 'tags'] as const),
  ...(['created_at', 'job_id'] as const),
] as const
export type ExportColumn = (typeof exportColumns)[number]

/** Digests are hex, lists are JSON, times are of UTC without saying so. */
const csvColumns = (sql: postgres.Sql) => sql`
  j.user_id, j.status, j.completed_at at time zone 'UTC', j.processing_time_ms, j.image_width, j.image_height,
  j.file_size_kb, j.source_size,
  case when j.source_path ~ '^[A-Za-z][A-Za-z0-9+.-]+://'
    then regexp_replace(j.source_path, '^([^:]+://)([^/?#]*@)?([^?#]*).*$', '\\1\\3') else j.source_path end,
  encode(j.content_sha256, 'hex'), encode(j.fingerprint, 'hex'), model_name(j.params), j.params,
  j.execution_provider, j.attempt, to_json(j.kept), j.original_bytes, j.original_shared, j.mask_bytes,
  j.processed_bytes, j.needs_review, j.review -> 'reasons', j.error_code, j.error_message,
  -- One look into an index for each tag: a join would read all tags for each job.
  to_json(array(select (select t.name from tags t where t.tag_id = i.tag_id) from image_tags i
    where i.job_id = j.job_id)),
  j.created_at at time zone 'UTC', j.job_id`

/** A month of jobs (UTC, by creation), as the statistics know it. */
export interface LogMonth {
  /** `2026-11` */
  month: string
  /** Jobs that ended, those that were pruned since included. */
  jobs: number
  /** Another one whenever a job of this month ends, ends differently, or gets or loses a tag. Pruning changes nothing. */
  state: string
}

/**
 * The months in which jobs were created that have ended, oldest first. It reads the rollup and no job, so it costs the
 * same whatever the length of the log. A failed job that fails again in the same way changes no state.
 */
export async function logMonths(
  sql: postgres.Sql,
  { since, until }: { since?: Instant | undefined; until?: Instant | undefined },
): Promise<LogMonth[]> {
  const firstOf = (when: Instant) => sql`date_trunc('month', (${instant(sql, when)}) at time zone 'UTC')`
  const from = since ? sql`stat_date >= ${firstOf(since)}` : sql`true`
  // Up to the end of the month that the last moment of the period is in.
  const to = until
    ? sql`stat_date < date_trunc('month', (${instant(sql, until)}) at time zone 'UTC' - interval '1 microsecond')
        + interval '1 month'`
    : sql`true`
  return withDatabase<LogMonth>(
    () => sql`
      with noted as (
        select dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, sum_processing_time_ms
        from daily_usage where ${from} and ${to}
        union all
        select dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, sum_processing_time_ms
        from usage_changes where ${from} and ${to}
      ), usage as (
        select dimension, stat_date, value, sum(completed_jobs) as completed, sum(failed_jobs) as failed,
          sum(review_jobs) as review, sum(sum_processing_time_ms) as ms
        from noted group by 1, 2, 3 having sum(completed_jobs) <> 0 or sum(failed_jobs) <> 0
      )
      select to_char(stat_date, 'YYYY-MM') as month,
        coalesce(sum(completed + failed) filter (where dimension = 'all'), 0)::float8 as jobs,
        sum(('x' || substr(md5(concat_ws(' ', dimension, stat_date, completed, failed, review, ms, value)), 1, 16))
          ::bit(64)::bigint)::text as state
      from usage group by 1 order by 1`,
  )
}

/** Rows of one statement. A statement is short: it keeps no old rows from vacuum, and may be asked again. */
const pageRows = 20_000

/** The first moment of a month (`2026-11`) and that after its last, as `2026-11-01`. */
function boundsOf(month: string): { from: string; to: string } {
  const [year = 0, index = 0] = month.split('-').map(Number)
  const next = index === 12 ? `${String(year + 1).padStart(4, '0')}-01` : `${year}-${String(index + 1).padStart(2, '0')}`
  return { from: `${month}-01`, to: `${next}-01` }
}

/**
 * The jobs of a month that have ended and are still in the log, oldest first, as CSV in pages: as `exportColumns`,
 * without a header. A null is nothing at all, an empty text is `""`.
 *
 * @param month `2026-11`
 * @throws RmbgError of family `database`
 */
export async function* exportedRows(sql: postgres.Sql, month: string): AsyncGenerator<Buffer> {
  const { from, to } = boundsOf(month)
  // A statement without parameters: what is in it are our own figures and what the last page ended with.
  const text = (value: string) => sql.unsafe(`'${value}'`)
  const pageAfter = (last: string[] | undefined) =>
    copyOut(
      () => sql`
        copy (
          select ${csvColumns(sql)} from image_process_jobs j
          where j.created_at >= ${text(`${from} 00:00:00+00`)}::timestamptz
            and j.created_at < ${text(`${to} 00:00:00+00`)}::timestamptz
            and j.status in ('completed', 'failed')
            ${last ? sql`and (j.created_at, j.job_id) > (${text(`${last[0]}+00`)}::timestamptz, ${text(last[1] ?? '')}::uuid)` : sql``}
          order by j.created_at, j.job_id limit ${sql.unsafe(String(pageRows))}
        ) to stdout (format csv)`,
    )
  let next = pageAfter(undefined)
  for (;;) {
    const page = await next
    if (page.length === 0) return
    // The next page is made while this one is worked on.
    next = pageAfter(endOf(page))
    next.catch(() => {}) // told when it is asked for
    yield page
  }
}

const lastRow = /,(\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?),([0-9a-f-]{36})\n$/

/** Creation and id of the last job of a page. Texts may hold anything, so these two are at the end of each row. */
function endOf(page: Buffer): string[] {
  const [, createdAt, jobId] = lastRow.exec(page.subarray(-100).toString('latin1')) ?? []
  if (createdAt === undefined || jobId === undefined) throw new TypeError('Expected a page of exported rows')
  return [createdAt, jobId]
}
