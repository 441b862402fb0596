/**
 * Pages of a log in months, newest first. Most pages are in its newest months, and a statement that may look into all of
 * them is planned for all of them: so the newest are asked first, and more of them only where these were not enough.
 */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { type JobFilter, jobCondition } from './filters.ts'
import { dayAfter, dayBefore, type IdPeriod, idPeriod, inPeriod } from './id-range.ts'
import type { JobPosition, PageRequest } from './query.ts'
import { instant } from './sql-time.ts'

const dayMs = 86_400_000
/** How far back is looked at first, then next, and then all the way. */
const spans = [62 * dayMs, 366 * dayMs, Number.POSITIVE_INFINITY]

interface Place extends JobPosition {
  /** Milliseconds since 1970. */
  createdMs: number
}

/**
 * The ids of a page, newest first.
 *
 * @returns `next` as `findJobPage` has it
 */
export async function idsOfPage(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: PageRequest,
): Promise<{ ids: string[]; next: JobPosition | undefined }> {
  const query = await placesQuery(sql, filter, { limit: limit + 1, after })
  let places: Place[] = []
  for (const period of await periods(sql, filter, after)) {
    places = await withDatabase<Place>(() => query(period))
    if (isWhole(places, limit + 1, period)) break
  }
  const page = places.slice(0, limit)
  const last = page.at(-1)
  const next = places.length > limit && last ? { createdAt: last.createdAt, jobId: last.jobId } : undefined
  return { ids: page.map(({ jobId }) => jobId), next }
}

/** The plan of the first statement for a page, executed. */
export async function explainIdsOfPage(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: PageRequest,
): Promise<string[]> {
  const query = await placesQuery(sql, filter, { limit: limit + 1, after })
  const [newest = {}] = await periods(sql, filter, after)
  const rows = await withDatabase(() => sql<postgres.Row[]>`explain (analyze, buffers) ${query(newest)}`)
  return rows.map((row) => row['QUERY PLAN'])
}

/** Each reaches further back than the one before, from the end of what is asked for. */
async function periods(
  sql: postgres.Sql,
  { until }: JobFilter,
  after: JobPosition | undefined,
): Promise<IdPeriod[]> {
  const { toMs } = after
    ? { toMs: dayAfter(Date.parse(after.createdAt)) }
    : await idPeriod(sql, until ? { until } : {})
  const end = toMs ?? Date.now()
  const upTo = toMs === undefined ? {} : { toMs }
  return spans.map((span) =>
    span === Number.POSITIVE_INFINITY ? upTo : { ...upTo, fromMs: dayBefore(end - span) },
  )
}

/** Ids before the period belong to jobs that were created a day after its beginning at the latest. */
const isWhole = (places: readonly Place[], wanted: number, { fromMs }: IdPeriod): boolean => {
  const last = places[wanted - 1]
  return fromMs === undefined || (last !== undefined && last.createdMs >= fromMs + dayMs)
}

async function placesQuery(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: PageRequest,
): Promise<(period: IdPeriod) => postgres.PendingQuery<Place[]>> {
  const condition = await jobCondition(sql, filter)
  const behind = () =>
    after
      ? sql`and (j.created_at, j.job_id) < (${instant(sql, { at: after.createdAt })}, ${after.jobId}::uuid)`
      : sql``
  return (period) => sql<Place[]>`
    select job_id as "jobId", to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt",
      extract(epoch from created_at)::float8 * 1000 as "createdMs"
    from (
      (select j.job_id, j.created_at from image_process_jobs j
        where ${condition('ended')} ${behind()} and ${inPeriod(sql, period)}
        order by j.created_at desc, j.job_id desc limit ${limit})
      union all
      (select j.job_id, j.created_at from open_job_rows j where ${condition('open')} ${behind()}
        order by j.created_at desc, j.job_id desc limit ${limit})
    ) page order by created_at desc, job_id desc limit ${limit}`
}
