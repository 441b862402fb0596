/** What leaves the log in an export: which months it has, and their rows as CSV. */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { dayAfter, dayBefore, leastJobId } from './id-range.ts'
import { isPartitioned } from './partitions.ts'
import { type Instant, instant, utc } from './sql-time.ts'

/**
 * The columns of an exported job, in the order of the CSV. Neither keys of objects nor digests of masks and cut-outs:
 * a backup has these, and they double the size. No names and addresses of users: only ids. Of web addresses neither
 * user nor query, which hold passwords and signatures.
 */
export const exportColumns = [
  ...(['user_id', 'status', 'completed_at', 'processing_time_ms', 'image_width', 'image_height'] as const),
  ...([
    'file_size_kb',
    'source_size',
    'source_path',
    'content_sha256',
    'fingerprint',
    'model',
    'params',
  ] as const),
  ...(['execution_provider', 'attempt', 'kept', 'original_bytes', 'original_shared', 'mask_bytes'] as const),
  ...(['processed_bytes', 'needs_review', 'review_reasons', 'error_code', 'error_message', 'tags'] as const),
  ...(['created_at', 'job_id'] as const),
] as const
export type ExportColumn = (typeof exportColumns)[number]

type Expression = postgres.PendingQuery<postgres.Row[]>

/** Whether the `job_id` of a table is one of the month. */
type IdCondition = (table: Expression) => Expression

/**
 * A job as a line of CSV, made in the database: postgres.js takes apart a text faster than thirty columns. Its 3.4.9
 * cannot do COPY: a statement that fails in the middle ends the process, and one that ends leaves its connection paused.
 * Digests are hex, lists are JSON, times are of UTC without saying so. A null is nothing at all, an empty text is `""`.
 */
function csvLine(sql: postgres.Sql, idsOf: IdCondition) {
  const quoted = (text: Expression) => sql`'"' || replace((${text})::text, '"', '""') || '"'`
  const values: Record<ExportColumn, Expression> = {
    user_id: quoted(sql`j.user_id`),
    status: sql`j.status`,
    completed_at: sql`j.completed_at at time zone 'UTC'`,
    processing_time_ms: sql`j.processing_time_ms`,
    image_width: sql`j.image_width`,
    image_height: sql`j.image_height`,
    file_size_kb: sql`j.file_size_kb`,
    source_size: sql`j.source_size`,
    source_path: quoted(sql`case when j.source_path ~ '^[A-Za-z][A-Za-z0-9+.-]+://'
      then regexp_replace(j.source_path, '^([^:]+://)([^/?#]*@)?([^?#]*).*$', '\\1\\3') else j.source_path end`),
    content_sha256: sql`encode(j.content_sha256, 'hex')`,
    fingerprint: sql`encode(j.fingerprint, 'hex')`,
    model: quoted(sql`model_name(j.params)`),
    params: quoted(sql`j.params`),
    execution_provider: quoted(sql`j.execution_provider`),
    attempt: sql`j.attempt`,
    kept: quoted(sql`to_json(j.kept)`),
    original_bytes: sql`j.original_bytes`,
    original_shared: sql`j.original_shared`,
    mask_bytes: sql`j.mask_bytes`,
    processed_bytes: sql`j.processed_bytes`,
    needs_review: sql`j.needs_review`,
    review_reasons: quoted(sql`j.review -> 'reasons'`),
    error_code: quoted(sql`j.error_code`),
    error_message: quoted(sql`j.error_message`),
    // One look into an index for each tag: a join would read all tags for each job.
    tags: quoted(sql`to_json(array(select (select t.name from tags t where t.tag_id = i.tag_id) from image_tags i
      where i.job_id = j.job_id and ${idsOf(sql`i`)}))`),
    created_at: sql`j.created_at at time zone 'UTC'`,
    job_id: sql`j.job_id`,
  }
  // Of concat(), a null is an empty text.
  return sql`concat(${exportColumns.map((name) => values[name]).reduce((line, value) => sql`${line}, ',', ${value}`)})`
}

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

/** Rows of one statement, which is short: it keeps no old rows from vacuum, and may be asked again. */
const usualPageRows = 20_000

/** The first moment of a month (`2026-11`) and that after its last, as `2026-11-01`. */
function boundsOf(month: string): { from: string; to: string } {
  const [year = 0, index = 0] = month.split('-').map(Number)
  const next =
    index === 12 ? `${String(year + 1).padStart(4, '0')}-01` : `${year}-${String(index + 1).padStart(2, '0')}`
  return { from: `${month}-01`, to: `${next}-01` }
}

/** The end of a page. */
interface Position {
  /** ISO 8601, UTC, microseconds. */
  createdAt: string
  jobId: string
}

/**
 * The jobs of a month that have ended and are still in the log, oldest first, as CSV in pages: as `exportColumns`,
 * without a header.
 *
 * @param month `2026-11`
 * @throws RmbgError of family `database`
 */
export async function* exportedRows(
  sql: postgres.Sql,
  month: string,
  { pageRows = usualPageRows }: { pageRows?: number } = {},
): AsyncGenerator<Buffer> {
  const pageAfter = (last: Position | undefined) => pageOf(sql, month, { pageRows, after: last })
  let next = pageAfter(undefined)
  for (;;) {
    const page = await next
    const last = page.at(-1)
    if (last === undefined) return
    // The next page is made while this one is worked on.
    next = pageAfter(last)
    next.catch(() => {}) // told when it is asked for
    yield Buffer.from(`${page.map(({ line }) => line).join('\n')}\n`)
  }
}

async function pageOf(
  sql: postgres.Sql,
  month: string,
  { pageRows, after }: { pageRows: number; after: Position | undefined },
): Promise<(Position & { line: string })[]> {
  const { from, to } = boundsOf(month)
  const at = (time: string) => instant(sql, { at: time })
  const isOfMonth = await idsOfMonth(sql, { from, to })
  return withDatabase<Position & { line: string }>(
    () => sql`
      select ${csvLine(sql, isOfMonth)} as line, ${utc(sql, sql`j.created_at`)} as "createdAt", j.job_id as "jobId"
      from image_process_jobs j
      where j.created_at >= ${at(`${from}T00:00:00Z`)} and j.created_at < ${at(`${to}T00:00:00Z`)}
        and j.status in ('completed', 'failed') and ${isOfMonth(sql`j`)}
        ${after ? sql`and (j.created_at, j.job_id) > (${at(after.createdAt)}, ${after.jobId}::uuid)` : sql``}
      order by j.created_at, j.job_id limit ${pageRows}`,
  )
}

/** In a log in months, ids say which of them to look at. */
async function idsOfMonth(
  sql: postgres.Sql,
  { from, to }: { from: string; to: string },
): Promise<IdCondition> {
  if (!(await isPartitioned(sql))) return () => sql`true`
  const [least, behind] = [dayBefore(Date.parse(from)), dayAfter(Date.parse(to))]
  return (table) =>
    sql`${table}.job_id >= ${leastJobId(sql, least)} and ${table}.job_id < ${leastJobId(sql, behind)}`
}
