/** What there is to review, the most doubtful first. */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { type JobFilter, jobCondition } from './filters.ts'
import { one } from './rows.ts'
import { instant, utc } from './sql-time.ts'
import type { Verdict } from './verdicts.ts'
import { isSuperseded } from './versions.ts'

/** A job as a grid of many shows it. */
export interface DoubtfulJob {
  jobId: string
  name: string | null
  /** Sum over the reasons of review; 0 where nothing is suspicious. */
  doubt: number
  reasons: string[]
  /** Pixels of the original. */
  width: number | null
  height: number | null
  verdict: Verdict
  /** ISO 8601, UTC, microseconds. */
  createdAt: string
}

/** The place of a job in this order: by doubt, and then the newest first. */
export interface DoubtPosition {
  doubt: number
  createdAt: string
  jobId: string
}

/**
 * Jobs that mask and rules say nothing against come after all others. They are found by the time alone, so that the log
 * needs an index only over the doubtful few.
 */
const undoubted = 0

type Condition = postgres.PendingQuery<postgres.Row[]>

interface Part {
  /** Which of the two parts of the order. */
  isDoubted: boolean
  condition: () => Condition
}

const order = (sql: postgres.Sql, isDoubted: boolean): Condition =>
  isDoubted
    ? sql`review_doubt(j.review) desc, j.created_at desc, j.job_id desc`
    : sql`j.created_at desc, j.job_id desc`

function partCondition(sql: postgres.Sql, isDoubted: boolean, after: DoubtPosition | undefined): Condition {
  const where = isDoubted ? sql`j.needs_review and j.status = 'completed'` : sql`j.needs_review is not true`
  if (!after) return where
  const place = sql`${instant(sql, { at: after.createdAt })}, ${after.jobId}::uuid`
  if (!isDoubted) {
    return after.doubt > undoubted ? where : sql`${where} and (j.created_at, j.job_id) < (${place})`
  }
  return sql`${where} and (review_doubt(j.review), j.created_at, j.job_id) < (${after.doubt}::int, ${place})`
}

/** The parts of the order that lie behind a place. Only completed jobs have something to look at. */
async function partsAfter(
  sql: postgres.Sql,
  filter: JobFilter,
  after: DoubtPosition | undefined,
): Promise<Part[]> {
  const condition = await jobCondition(sql, { ...filter, statuses: ['completed'] })
  return [true, false]
    .filter((isDoubted) => !isDoubted || after === undefined || after.doubt > undoubted)
    .map((isDoubted) => ({
      isDoubted,
      condition: () => sql`
        ${condition('ended')} and ${partCondition(sql, isDoubted, after)} and not ${isSuperseded(sql, sql`j.job_id`)}`,
    }))
}

/**
 * One page of what there is to review, each cut-out in the version that counts: keyset pagination, so the last page costs
 * what the first one does.
 *
 * @returns `next` to ask for the page after it; undefined on the last one
 * @throws RmbgError NOT_FOUND naming a tag that does not exist
 */
export async function findDoubtfulPage(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: { limit: number; after?: DoubtPosition | undefined },
): Promise<{ jobs: DoubtfulJob[]; next: DoubtPosition | undefined }> {
  const found: DoubtfulJob[] = []
  for (const { isDoubted, condition } of await partsAfter(sql, filter, after)) {
    const wanted = limit + 1 - found.length
    if (wanted <= 0) break
    const rows = await withDatabase<DoubtfulJob>(
      () => sql<DoubtfulJob[]>`
        with page as materialized (
          select j.job_id from image_process_jobs j where ${condition()}
          order by ${order(sql, isDoubted)} limit ${wanted}
        )
        select j.job_id as "jobId", source_name(j.source_path) as name,
          ${isDoubted ? sql`review_doubt(j.review)` : sql`0`} as doubt,
          case when jsonb_typeof(j.review -> 'reasons') = 'array' then j.review -> 'reasons' else '[]' end as reasons,
          j.image_width as width, j.image_height as height, coalesce(v.verdict, 'open') as verdict,
          ${utc(sql, sql`j.created_at`)} as "createdAt"
        from page join image_process_jobs j on j.job_id = page.job_id
        left join job_verdicts v on v.job_id = j.job_id
        order by ${order(sql, isDoubted)}`,
    )
    found.push(...rows)
  }
  const jobs = found.slice(0, limit)
  return { jobs, next: found.length > limit ? positionOf(jobs.at(-1)) : undefined }
}

const positionOf = (job: DoubtfulJob | undefined): DoubtPosition | undefined =>
  job && { doubt: job.doubt, createdAt: job.createdAt, jobId: job.jobId }

/**
 * Where pages begin behind a place, so that a page far below can be had without those before it.
 *
 * @param options.most places to tell
 * @returns the last job of each page of so many jobs, and how many jobs were counted; `isAll` unless there are more
 */
export async function findDoubtfulPlaces(
  sql: postgres.Sql,
  filter: JobFilter,
  { pageSize, most, after }: { pageSize: number; most: number; after?: DoubtPosition | undefined },
): Promise<{ places: DoubtPosition[]; jobs: number; isAll: boolean }> {
  const places: DoubtPosition[] = []
  let jobs = 0
  for (const { isDoubted, condition } of await partsAfter(sql, filter, after)) {
    const wanted = pageSize * most + 1 - jobs
    if (wanted <= 0) break
    const rows = await withDatabase<{ count: number; doubt: number; createdAt: string; jobId: string }>(
      () => sql`
        with all_of as (
          select j.job_id, j.created_at, ${isDoubted ? sql`review_doubt(j.review)` : sql`0`} as doubt,
            row_number() over (order by ${order(sql, isDoubted)}) + ${jobs} as n
          from image_process_jobs j where ${condition()}
          order by ${order(sql, isDoubted)} limit ${wanted}
        ), counted as (select coalesce(max(n), ${jobs}) as count from all_of)
        select c.count::float8, a.doubt, ${utc(sql, sql`a.created_at`)} as "createdAt", a.job_id as "jobId"
        from counted c left join all_of a on a.n % ${pageSize} = 0 order by a.n`,
    )
    jobs = one(rows.slice(0, 1)).count
    places.push(
      ...rows.flatMap(({ doubt, createdAt, jobId }) => (jobId === null ? [] : { doubt, createdAt, jobId })),
    )
  }
  const isAll = jobs <= pageSize * most
  return { places: places.slice(0, most), jobs: Math.min(jobs, pageSize * most), isAll }
}
