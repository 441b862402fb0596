import { createHash } from 'node:crypto'
import type postgres from 'postgres'
import { z } from 'zod'
import { RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { instant, type JobFilter, jobCondition } from './filters.ts'

/** One job, with everything the database knows of it. Times are ISO 8601 in UTC with microseconds. */
export interface Job {
  jobId: string
  userId: string
  status: 'pending' | 'processing' | 'completed' | 'failed'
  sourceName: string | null
  createdAt: string
  completedAt: string | null
  processingTimeMs: number | null
  imageWidth: number | null
  imageHeight: number | null
  fileSizeKb: number | null
  model: string | null
  tags: string[]
  needsReview: boolean | null
  errorCode: string | null
  errorMessage: string | null
  sourcePath: string | null
  originalPath: string
  maskPath: string | null
  processedPath: string | null
  originalBytes: number | null
  maskBytes: number | null
  processedBytes: number | null
  originalSha256: string | null
  maskSha256: string | null
  processedSha256: string | null
  executionProvider: string | null
  attempt: number
  runId: string | null
  review: postgres.JSONValue
  params: postgres.JSONValue
}

const columns = (sql: postgres.Sql) => sql`
  j.job_id as "jobId", j.user_id as "userId", j.status, source_name(j.source_path) as "sourceName",
  ${utc(sql, sql`j.created_at`)} as "createdAt", ${utc(sql, sql`j.completed_at`)} as "completedAt",
  j.processing_time_ms as "processingTimeMs", j.image_width as "imageWidth", j.image_height as "imageHeight",
  j.file_size_kb as "fileSizeKb", j.params -> 'model' ->> 'name' as model,
  coalesce((select json_agg(t.name order by t.name) from image_tags i join tags t on t.tag_id = i.tag_id
    where i.job_id = j.job_id), '[]') as tags,
  j.needs_review as "needsReview", j.error_code as "errorCode", j.error_message as "errorMessage",
  j.source_path as "sourcePath", j.original_path as "originalPath", j.mask_path as "maskPath",
  j.processed_path as "processedPath", j.original_bytes::float8 as "originalBytes",
  j.mask_bytes::float8 as "maskBytes", j.processed_bytes::float8 as "processedBytes",
  encode(j.content_sha256, 'hex') as "originalSha256", encode(j.mask_sha256, 'hex') as "maskSha256",
  encode(j.processed_sha256, 'hex') as "processedSha256", j.execution_provider as "executionProvider",
  j.attempt, j.run_id as "runId", j.review, j.params`

/** Never through a JS Date, which knows no microseconds: a cursor made of one skips jobs. */
export const utc = (sql: postgres.Sql, time: postgres.PendingQuery<postgres.Row[]>) =>
  sql`to_char((${time}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** Jobs by their ids, newest first; ids without a job are left out. */
export async function findJobs(sql: postgres.Sql, jobIds: readonly string[]): Promise<Job[]> {
  return withDatabase<Job>(
    () => sql<Job[]>`
      select ${columns(sql)} from image_process_jobs j where j.job_id in ${sql(jobIds)}
      order by j.created_at desc, j.job_id desc`,
  )
}

/**
 * What tells that a job, its tags included, is still as it was: one look at two primary keys. Anything kept elsewhere
 * under it needs no invalidation.
 */
export async function jobVersion(sql: postgres.Sql, jobId: string): Promise<string | undefined> {
  const [row] = await withDatabase(
    () => sql<{ version: string }[]>`
      select concat_ws(' ', j.xmin, j.ctid,
        (select string_agg(t.tag_id || '.' || t.xmin, ',' order by t.tag_id) from image_tags t
          where t.job_id = j.job_id)) as version
      from image_process_jobs j where j.job_id = ${jobId}`,
  )
  return row?.version
}

export interface JobPage {
  jobs: Job[]
  /** Where the next page begins; absent on the last one. */
  nextCursor?: string
}

/**
 * One page of jobs, newest first: keyset pagination over (created_at, job_id), so page 10,000 costs what page 1 does.
 *
 * @param options.after the `nextCursor` of the page before, of the same filter
 * @throws RmbgError USAGE when the cursor is damaged or belongs to another filter
 */
export async function queryJobs(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: { limit: number; after?: string },
): Promise<JobPage> {
  const page = await pageQuery(sql, filter, { limit: limit + 1, ...(after !== undefined && { after }) })
  const rows = (await withDatabase(page)) as unknown as Job[]
  const jobs = rows.slice(0, limit)
  const last = jobs.at(-1)
  return {
    jobs,
    ...(rows.length > limit &&
      last && { nextCursor: encodeCursor({ filter: filterDigest(filter), ...last }) }),
  }
}

/** The plan of the very query, executed. */
export async function explainQuery(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: { limit: number; after?: string },
): Promise<string[]> {
  const page = await pageQuery(sql, filter, { limit: limit + 1, ...(after !== undefined && { after }) })
  const rows = await withDatabase(() => sql<postgres.Row[]>`explain (analyze, buffers) ${page()}`)
  return rows.map((row) => row['QUERY PLAN'])
}

/** Asked anew for every try: a query of postgres.js runs once. */
async function pageQuery(
  sql: postgres.Sql,
  filter: JobFilter,
  { limit, after }: { limit: number; after?: string },
): Promise<() => postgres.PendingQuery<postgres.Row[]>> {
  const position = after === undefined ? undefined : decodeCursor(filter, after)
  const condition = await jobCondition(sql, filter)
  const behind = position
    ? sql`and (j.created_at, j.job_id) < (${instant(sql, { at: position.createdAt })}, ${position.jobId}::uuid)`
    : sql``
  // The page is found first, and only its rows get their tags and texts made.
  return () => sql`
    with page as materialized (
      select j.job_id, j.created_at from image_process_jobs j where ${condition()} ${behind}
      order by j.created_at desc, j.job_id desc limit ${limit}
    )
    select ${columns(sql)} from page join image_process_jobs j on j.job_id = page.job_id
    order by page.created_at desc, page.job_id desc`
}

const cursorSchema = z.object({
  filter: z.string(),
  createdAt: z.string().regex(/^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
  jobId: z.guid(), // whatever a column of uuid holds
})
type Cursor = z.infer<typeof cursorSchema>

const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16)

const filterDigest = (filter: JobFilter): string =>
  digestOf(Object.entries(filter).sort(([a], [b]) => (a < b ? -1 : 1)))

const encodeCursor = ({ filter, createdAt, jobId }: Cursor): string =>
  Buffer.from(
    JSON.stringify({ filter, createdAt, jobId, check: digestOf([filter, createdAt, jobId]) }),
  ).toString('base64url')

function decodeCursor(filter: JobFilter, cursor: string): { createdAt: string; jobId: string } {
  let given: unknown
  try {
    given = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    given = undefined
  }
  const parsed = cursorSchema.safeParse(given)
  // Made again it must be the same: one digit that changed on its way would skip jobs without a word.
  if (!parsed.success || encodeCursor(parsed.data) !== cursor) {
    throw new RmbgError('USAGE', 'The cursor is not one that rmbg query gave.', {
      hint: 'Copy it whole, or leave it out to begin with the newest job.',
    })
  }
  if (parsed.data.filter !== filterDigest(filter)) {
    throw new RmbgError('USAGE', 'The cursor belongs to a query with other filters.', {
      hint: 'Repeat the very filters of the page before, or leave the cursor out.',
    })
  }
  return parsed.data
}
