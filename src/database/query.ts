import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { type JobFilter, type JobTable, jobCondition } from './filters.ts'
import { type KeptKind, namedOriginal } from './kept.ts'
import { explainIdsOfPage, idsOfPage } from './monthly-pages.ts'
import { isPartitioned } from './partitions.ts'
import { one } from './rows.ts'
import { searchQuery } from './search.ts'
import { instant, utc } from './sql-time.ts'
import { currentVersion } from './versions.ts'

/** One job, with everything the database knows of it. Times are ISO 8601 in UTC with microseconds. */
export type Job = JobFacts & (CompletedFacts | FailedFacts | OpenFacts)

interface JobFacts {
  jobId: string
  userId: string
  sourceName: string | null
  createdAt: string
  processingTimeMs: number | null
  /** Pixels. */
  imageWidth: number | null
  imageHeight: number | null
  fileSizeKb: number | null
  model: string | null
  tags: string[]
  needsReview: boolean | null
  sourcePath: string | null
  /** Which of its objects are in the store, once it is completed. */
  kept: KeptKind[]
  /** A key, or the address of an input that is referenced; null where the original was not kept. */
  originalPath: string | null
  originalBytes: number | null
  maskBytes: number | null
  processedBytes: number | null
  /** Hex, as the other two; null in rows of before they were kept. */
  originalSha256: string | null
  maskSha256: string | null
  processedSha256: string | null
  executionProvider: string | null
  attempt: number
  runId: string | null
  review: postgres.JSONValue
  /** What people say of the cut-out; null where nobody has judged it. */
  verdict: 'accepted' | 'rejected' | null
  verdictBy: string | null
  verdictAt: string | null
  verdictNote: string | null
  /** The version of this cut-out that counts, where it is another one. */
  supersededBy: string | null
  params: postgres.JSONValue
}

interface CompletedFacts {
  status: 'completed'
  completedAt: string
  /** Keys; null for what was not kept. */
  maskPath: string | null
  processedPath: string | null
  errorCode: null
  errorMessage: null
}

interface FailedFacts {
  status: 'failed'
  /** It was completed before, and failed when its objects were gone. */
  completedAt: string | null
  maskPath: string | null
  processedPath: string | null
  errorCode: string | null
  errorMessage: string
}

interface OpenFacts {
  status: 'pending' | 'processing'
  completedAt: string | null
  maskPath: string | null
  processedPath: string | null
  errorCode: string | null
  errorMessage: string | null
}

/**
 * What is open has its tags in its row.
 *
 * @param ids those of the rows, in a log in months: the planner then sees of which months the tags are
 */
const tagsOf = (sql: postgres.Sql, table: JobTable | 'either', ids?: readonly string[]) => {
  const ended = sql`coalesce((select json_agg(t.name order by t.name) from image_tags i join tags t on t.tag_id = i.tag_id
    where i.job_id = j.job_id ${ids ? sql`and i.job_id in ${sql(ids)}` : sql``}), '[]')`
  const open = sql`(select array_to_json(array(select name from unnest(o.tags) name order by name))
    from open_jobs o where o.job_id = j.job_id)`
  if (table === 'ended') return ended
  return table === 'open' ? open : sql`coalesce(${open}, ${ended})`
}

const columns = (sql: postgres.Sql, table: JobTable | 'either', ids?: readonly string[]) => sql`
  j.job_id as "jobId", j.user_id as "userId", j.status, source_name(j.source_path) as "sourceName",
  ${utc(sql, sql`j.created_at`)} as "createdAt", ${utc(sql, sql`j.completed_at`)} as "completedAt",
  j.processing_time_ms as "processingTimeMs", j.image_width as "imageWidth", j.image_height as "imageHeight",
  j.file_size_kb as "fileSizeKb", j.params -> 'model' ->> 'name' as model,
  ${tagsOf(sql, table, ids)} as tags,
  j.needs_review as "needsReview", j.error_code as "errorCode", j.error_message as "errorMessage",
  j.source_path as "sourcePath", to_json(j.kept) as kept,
  ${namedOriginal(sql, sql`j`)} as "originalPath", j.mask_path as "maskPath",
  j.processed_path as "processedPath", j.original_bytes::float8 as "originalBytes",
  j.mask_bytes::float8 as "maskBytes", j.processed_bytes::float8 as "processedBytes",
  encode(j.content_sha256, 'hex') as "originalSha256", encode(j.mask_sha256, 'hex') as "maskSha256",
  encode(j.processed_sha256, 'hex') as "processedSha256", j.execution_provider as "executionProvider",
  j.attempt, j.run_id as "runId", j.review, j.params,
  v.verdict, v.said_by as "verdictBy", ${utc(sql, sql`v.said_at`)} as "verdictAt", v.note as "verdictNote",
  nullif(${currentVersion(sql, sql`j.job_id`)}, j.job_id) as "supersededBy"`

const judged = (sql: postgres.Sql) => sql`
  left join job_verdicts v on v.job_id = j.job_id and v.verdict <> 'open'`

/** Jobs by their ids, newest first; ids without a job are left out. */
export async function findJobs(sql: postgres.Sql, jobIds: readonly string[]): Promise<Job[]> {
  if (jobIds.length === 0) return []
  const ids = (await isPartitioned(sql)) ? jobIds : undefined
  return withDatabase<Job>(
    () => sql<Job[]>`
      select ${columns(sql, 'either', ids)} from all_jobs j ${judged(sql)} where j.job_id in ${sql(jobIds)}
      order by j.created_at desc, j.job_id desc`,
  )
}

/**
 * What tells that a job, its tags included, is still as it was: one look at a few primary keys. Anything kept elsewhere
 * under it needs no invalidation.
 */
export async function jobVersion(sql: postgres.Sql, jobId: string): Promise<string | undefined> {
  const rows = await withDatabase<{ version: string | null }>(
    () => sql`
      select string_agg(row, ' ' order by row) as version from (
        select concat_ws(' ', 'ended', xmin, ctid) as row from image_process_jobs where job_id = ${jobId}
        union all
        select concat_ws(' ', 'open', xmin, ctid) from open_jobs where job_id = ${jobId}
        union all
        select concat_ws(' ', 'tag', tag_id, xmin) from image_tags where job_id = ${jobId}
        union all
        select concat_ws(' ', 'verdict', xmin) from job_verdicts where job_id = ${jobId}
        union all
        select concat_ws(' ', 'version', ${currentVersion(sql, sql`m.job_id`)}) from job_versions m where m.job_id = ${jobId}
      ) rows`,
  )
  return one(rows).version ?? undefined
}

/** The place of a job in the log, which runs from the newest to the oldest. */
export interface JobPosition {
  /** ISO 8601, UTC, microseconds. */
  createdAt: string
  jobId: string
  /** Of a search, from 0 to 1 with four digits: the best come first. */
  rank?: string
}

export interface PageRequest {
  /** Jobs at most. */
  limit: number
  /** The last job of the page before; undefined for the first page. */
  after?: JobPosition | undefined
}

/**
 * One page of jobs, newest first: keyset pagination over (created_at, job_id), so page 10,000 costs what page 1 does.
 *
 * @returns `next` to ask for the page after it; undefined on the last one
 * @throws RmbgError NOT_FOUND naming a tag that does not exist
 */
export async function findJobPage(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: PageRequest,
): Promise<{ jobs: Job[]; next: JobPosition | undefined }> {
  if (filter.search === undefined && (await isPartitioned(sql))) {
    const { ids, next } = await idsOfPage(sql, filter, { limit, after })
    return { jobs: await findJobs(sql, ids), next }
  }
  const found = await withDatabase(
    await pageQuery<Job & { rank?: string }>(sql, filter, { limit: limit + 1, after }),
  )
  const jobs = found.slice(0, limit)
  const next = found.length > limit ? jobs.at(-1) : undefined
  return { jobs: jobs.map(({ rank, ...job }) => job as Job), next }
}

/** The plan of the very query of `findJobPage`, executed. */
export async function explainJobPage(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: PageRequest,
): Promise<string[]> {
  if (filter.search === undefined && (await isPartitioned(sql)))
    return explainIdsOfPage(sql, filter, { limit, after })
  const page = await pageQuery(sql, filter, { limit: limit + 1, after })
  const rows = await withDatabase(() => sql<postgres.Row[]>`explain (analyze, buffers) ${page()}`)
  return rows.map((row) => row['QUERY PLAN'])
}

/** Asked anew for every try: a query of postgres.js runs once. */
async function pageQuery<Row extends postgres.Row>(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: PageRequest,
): Promise<() => postgres.PendingQuery<Row[]>> {
  const condition = await jobCondition(sql, filter)
  if (filter.search !== undefined) {
    const found = await searchQuery(sql, filter.search, condition)
    return () => bestPage<Row>(sql, found(), { limit, after })
  }
  const behind = after
    ? sql`and (j.created_at, j.job_id) < (${instant(sql, { at: after.createdAt })}, ${after.jobId}::uuid)`
    : sql``
  const newest = (jobs: JobTable) => sql`
    select j.job_id, j.created_at, ${jobs === 'open' ? sql`true` : sql`false`} as is_open
    from ${jobs === 'open' ? sql`open_job_rows` : sql`image_process_jobs`} j
    where ${condition(jobs)} ${behind}
    order by j.created_at desc, j.job_id desc limit ${limit}`
  // The page is found first, and only its rows get their tags and texts made. Times have one length, so their order is
  // that of the text.
  return () => sql<Row[]>`
    with page as materialized (
      (${newest('ended')}) union all (${newest('open')}) order by created_at desc, job_id desc limit ${limit}
    )
    select ${columns(sql, 'ended')} from page join image_process_jobs j on j.job_id = page.job_id ${judged(sql)}
    where not page.is_open
    union all
    select ${columns(sql, 'open')} from page join open_job_rows j on j.job_id = page.job_id ${judged(sql)}
    where page.is_open
    order by "createdAt" desc, "jobId" desc`
}

/** The best jobs of a search first; those that fit as well in the order of the log. */
function bestPage<Row extends postgres.Row>(
  sql: postgres.Sql,
  found: postgres.PendingQuery<postgres.Row[]>,
  { limit, after }: PageRequest,
): postgres.PendingQuery<Row[]> {
  const behind = after
    ? sql`where (rank, created_at, job_id)
        < (${after.rank ?? '0'}::text::numeric, ${instant(sql, { at: after.createdAt })}, ${after.jobId}::uuid)`
    : sql``
  return sql<Row[]>`
    with found as (${found}), page as materialized (
      select * from found ${behind} order by rank desc, created_at desc, job_id desc limit ${limit}
    )
    select ${columns(sql, 'ended')}, page.rank::text as rank from page join image_process_jobs j on j.job_id = page.job_id
    ${judged(sql)} order by page.rank desc, page.created_at desc, page.job_id desc`
}
