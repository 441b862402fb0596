/** Table `image_process_jobs` as a run sees it: claim a job, complete it, fail it, and find what is done. */
import type postgres from 'postgres'
import type { ErrorCode } from '../errors.ts'
import { ownerIsDead } from '../system/owner.ts'
import { withDatabase } from './errors.ts'
import { type KeptKind, keptKinds, keptOriginal, kindsArray } from './kept.ts'
import type { Run } from './leases.ts'
import { one } from './rows.ts'

/** Figures of a result's quality; `reasons` say why a person should look at it. */
export interface JobReview extends Record<string, postgres.JSONValue> {
  reasons: string[]
}

/** A file as it was when it was looked at. */
export interface SourceFile {
  /** Absolute. */
  path: string
  /** Bytes. */
  size: number
  /** Nanoseconds since 1970. */
  mtimeNs: bigint
}

export interface CompletedJob {
  jobId: string
  /** Keys; null for what was not kept. */
  originalPath: string | null
  maskPath: string | null
  processedPath: string | null
  /** Of mask and cut-out as they were made, kept or not. */
  maskBytes: number
  processedBytes: number
  /** Hex. */
  maskSha256: string
  processedSha256: string
  /** Milliseconds since 1970. */
  completedAtMs: number
  review: JobReview | null
}

const completedColumns = (sql: postgres.Sql, job: postgres.PendingQuery<postgres.Row[]>) => sql`
  ${job}.job_id as "jobId", ${keptOriginal(sql, job)} as "originalPath", ${job}.mask_path as "maskPath",
  ${job}.processed_path as "processedPath", ${job}.mask_bytes::float8 as "maskBytes",
  ${job}.processed_bytes::float8 as "processedBytes", encode(${job}.mask_sha256, 'hex') as "maskSha256",
  encode(${job}.processed_sha256, 'hex') as "processedSha256",
  floor(extract(epoch from ${job}.completed_at) * 1000)::float8 as "completedAtMs", ${job}.review`

const completedJob = (row: postgres.Row): CompletedJob => ({
  jobId: row.jobId,
  originalPath: row.originalPath,
  maskPath: row.maskPath,
  processedPath: row.processedPath,
  maskBytes: row.maskBytes,
  processedBytes: row.processedBytes,
  maskSha256: row.maskSha256,
  processedSha256: row.processedSha256,
  completedAtMs: row.completedAtMs,
  review: row.review,
})

/**
 * Which of the files are completed with these parameters, judged by path, size and time alone.
 *
 * @param work.fingerprint hex SHA-256 of model and parameters
 * @param work.keep what has to be kept of a job that counts
 * @param sources up to about 1000, for one round trip
 * @returns one entry per source, in order
 */
export async function findCompletedBySource(
  sql: postgres.Sql,
  { fingerprint, keep }: { fingerprint: string; keep: readonly KeptKind[] },
  sources: readonly SourceFile[],
): Promise<(CompletedJob | undefined)[]> {
  if (sources.length === 0) return []
  const wanted = sources.map(({ path, size, mtimeNs }, index) => ({
    index,
    path,
    size,
    mtime: String(mtimeNs),
  }))
  const rows = await withDatabase(
    () => sql`
      with wanted as (
        select * from jsonb_to_recordset(${sql.json(wanted)}) as w(index int, path text, size bigint, mtime bigint)
      )
      select w.index, ${completedColumns(sql, sql`j`)}
      from wanted w
      join known_sources k on k.path_md5 = md5(w.path)::uuid and k.fingerprint = decode(${fingerprint}, 'hex')
        and k.source_size = w.size and k.source_mtime_ns = w.mtime
      join image_process_jobs j on j.job_id = k.job_id and j.status = 'completed'
        and j.kept @> ${kindsArray(sql, keep)}`,
  )
  const found = new Map(rows.map((row) => [row.index, completedJob(row)]))
  return sources.map((_, index) => found.get(index))
}

/** The completed job with this id. */
export async function findCompletedJob(sql: postgres.Sql, jobId: string): Promise<CompletedJob | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${completedColumns(sql, sql`j`)} from image_process_jobs j
      where j.job_id = ${jobId} and j.status = 'completed'`,
  )
  return row && completedJob(row)
}

/**
 * A job whose cut-out, byte for byte, has this content; it may have lost its objects since. What only looks like a
 * cut-out, because somebody has changed it, is none.
 *
 * @param sha256 hex
 */
export async function findJobOfCutout(sql: postgres.Sql, sha256: string): Promise<CompletedJob | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${completedColumns(sql, sql`j`)} from image_process_jobs j
      where j.processed_sha256 = decode(${sha256}, 'hex') limit 1`,
  )
  return row && completedJob(row)
}

/** A job whose mask, byte for byte, has this content; see `findJobOfCutout`. */
export async function findJobOfMask(sql: postgres.Sql, sha256: string): Promise<CompletedJob | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${completedColumns(sql, sql`j`)} from image_process_jobs j
      where j.mask_sha256 = decode(${sha256}, 'hex') limit 1`,
  )
  return row && completedJob(row)
}

/** The job that made a file with this content, as its cut-out or its mask. @param sha256 hex */
export async function findJobOfFile(
  sql: postgres.Sql,
  sha256: string,
): Promise<{ job: CompletedJob; made: 'cut-out' | 'mask' } | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${completedColumns(sql, sql`j`)}, j.processed_sha256 = decode(${sha256}, 'hex') as "isCutout"
      from image_process_jobs j
      where j.processed_sha256 = decode(${sha256}, 'hex') or j.mask_sha256 = decode(${sha256}, 'hex') limit 1`,
  )
  return row && { job: completedJob(row), made: row.isCutout ? 'cut-out' : 'mask' }
}

/** A completed job whose mask can be used for another cut-out. */
export interface MaskedJob {
  jobId: string
  source: SourceFile
  /** Keys; null for what was not kept. */
  originalPath: string | null
  maskPath: string | null
  /** Hex. */
  contentSha256: string
  maskSha256: string
  /** What made the mask, as in `params`. */
  model: Record<string, postgres.JSONValue>
}

const maskedColumns = (sql: postgres.Sql) => sql`
  job_id as "jobId", source_path as path, source_size::float8 as size, source_mtime_ns::text as "mtimeNs",
  ${keptOriginal(sql, sql`image_process_jobs`)} as "originalPath", mask_path as "maskPath",
  encode(content_sha256, 'hex') as "contentSha256",
  encode(mask_sha256, 'hex') as "maskSha256", params -> 'model' as model`

function maskedJob(row: postgres.Row | undefined): MaskedJob | undefined {
  if (!row) return undefined
  const { path, size, mtimeNs, ...rest } = row
  return { ...rest, source: { path, size, mtimeNs: BigInt(mtimeNs) } } as MaskedJob
}

/** The completed job with this id. */
export async function findMaskedJob(sql: postgres.Sql, jobId: string): Promise<MaskedJob | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${maskedColumns(sql)} from image_process_jobs where job_id = ${jobId} and status = 'completed'`,
  )
  return maskedJob(row)
}

/** The newest completed job of files with this content whose mask was kept. */
export async function findMaskedContent(
  sql: postgres.Sql,
  contentSha256: string,
): Promise<(MaskedJob & { maskPath: string }) | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${maskedColumns(sql)} from image_process_jobs
      where content_sha256 = decode(${contentSha256}, 'hex') and status = 'completed' and mask_path is not null
      order by created_at desc limit 1`,
  )
  return maskedJob(row) as (MaskedJob & { maskPath: string }) | undefined
}

export interface ClaimRequest {
  /** UUIDv7 for the row, where one is inserted. */
  jobId: string
  source: SourceFile
  /** Hex. */
  contentSha256: string
  /** Hex. */
  fingerprint: string
  params: Record<string, unknown>
  /** What is to be kept: a completed job of which less was kept does not count. */
  keep: readonly KeptKind[]
  userId: string
  /** Where an attempt puts the original. */
  originalPath: (jobId: string, attempt: number) => string
  /** Pixels. */
  imageWidth: number
  imageHeight: number
  fileSizeKb: number
  run: Run
  /** Do it again even if it is completed. */
  force: boolean
}

/** An original in the store, as far as the log knows. */
export interface StoredOriginal {
  key: string
  /** Length. */
  bytes: number
}

export type Claim =
  /** `stored`: an original of this content that a completed job of the same user names, where there is one. */
  | { state: 'claimed'; jobId: string; attempt: number; stored?: StoredOriginal }
  | { state: 'completed'; job: CompletedJob }
  | { state: 'held'; jobId: string; owner: string }

/**
 * Gives this run the work on one content with one set of parameters, unless it is completed already (under any path)
 * or a live run holds it. What is claimed is a new job, the job of a run that died, or a job that failed before; an
 * old job keeps its id and counts one more attempt. Of any number of claims at the same moment exactly one wins; the
 * rules are in migrations/0009_claim_job.sql.
 */
export async function claimJob(sql: postgres.Sql, request: ClaimRequest): Promise<Claim> {
  const { source, run, originalPath, ...rest } = request
  const sent = sql.json({
    ...rest,
    runId: run.id,
    owner: run.owner,
    leaseMs: run.leaseMs,
    sourcePath: source.path,
    sourceSize: source.size,
    sourceMtimeNs: String(source.mtimeNs),
    originalPath: originalPath(request.jobId, 1),
  } as postgres.JSONValue)
  const ask = async (gone: string | null) => {
    const answers = await withDatabase(
      () => sql`
        select c.state, c.owner, c.claim_id as "claimId", (c.job).attempt, ${completedColumns(sql, sql`(c.job)`)},
          s.original_path as "storedPath", s.original_bytes::float8 as "storedBytes"
        from claim_job(${sent}, ${gone}) c
        left join lateral (
          select * from stored_original((c.job).content_sha256, (c.job).user_id) where c.state = 'claimed'
        ) s on true`,
    )
    return one(answers)
  }
  let answer = await ask(null)
  if (answer.state === 'held' && ownerIsDead(answer.owner)) answer = await ask(answer.claimId)
  const { state, jobId, attempt, owner } = answer
  if (state === 'held') return { state, jobId, owner }
  if (state === 'completed') return { state, job: completedJob(answer) }
  if (answer.originalPath !== originalPath(jobId, attempt))
    await correctOriginalPath(sql, request, { jobId, attempt })
  const { storedPath, storedBytes } = answer
  const stored = storedPath !== null && { stored: { key: storedPath, bytes: storedBytes } }
  return { state, jobId, attempt, ...stored }
}

/** The row of a job that is taken up again names the original of the attempt before. */
async function correctOriginalPath(
  sql: postgres.Sql,
  { run, originalPath }: ClaimRequest,
  { jobId, attempt }: { jobId: string; attempt: number },
): Promise<void> {
  await withDatabase(
    () => sql`
      update image_process_jobs set original_path = ${originalPath(jobId, attempt)}
      where job_id = ${jobId} and attempt = ${attempt} and run_id = ${run.id} and status = 'processing'`,
  )
}

export interface Completion {
  jobId: string
  /** As it was claimed: a run may lose a job and claim it again, and the lease is then of its later attempt. */
  attempt: number
  runId: string
  /** Keys of the objects that were put; null for those that are not kept. */
  originalPath: string | null
  maskPath: string | null
  processedPath: string | null
  /** Whether another job has stored the original that `originalPath` names. */
  sharesOriginal: boolean
  /** Of what was made, kept or not, as the digests. */
  originalBytes: number
  maskBytes: number
  processedBytes: number
  /** Hex. */
  maskSha256: string
  processedSha256: string
  processingTimeMs: number
  executionProvider: string
  review: JobReview
}

/**
 * Completes a job: one statement sets its status, records its keys and checksums, and ends its lease. Call it only
 * after the store has acknowledged all objects that are kept.
 *
 * @returns false when this attempt no longer holds the job, and never will again: another one has taken it over, or the
 *   job is gone. With `sharesOriginal` also, with nothing done, when no completed job names that original any more: store
 *   an own one and call it again
 */
export async function completeJob(sql: postgres.Sql, completion: Completion): Promise<boolean> {
  const { jobId, attempt, runId, sharesOriginal } = completion
  const kept = keptKinds.filter((kind) => completion[`${kind}Path`] !== null)
  const rows = await withDatabase(
    () => sql`
      with lease as (
        ${endLease(sql, completion, sharesOriginal ? sql`hold_original(${completion.originalPath}, held.content_sha256)` : sql`true`)}
      ), job as (
        update image_process_jobs j
        set status = 'completed', completed_at = greatest(clock_timestamp(), created_at),
          kept = ${kindsArray(sql, kept)},
          original_path = coalesce(${completion.originalPath}, original_path), mask_path = ${completion.maskPath},
          processed_path = ${completion.processedPath}, original_shared = ${sharesOriginal},
          original_bytes = ${completion.originalBytes}, mask_bytes = ${completion.maskBytes},
          processed_bytes = ${completion.processedBytes}, mask_sha256 = decode(${completion.maskSha256}, 'hex'),
          processed_sha256 = decode(${completion.processedSha256}, 'hex'),
          processing_time_ms = ${completion.processingTimeMs}, execution_provider = ${completion.executionProvider},
          review = ${sql.json(completion.review)}, needs_review = ${completion.review.reasons.length > 0},
          params = params || jsonb_build_object('provider', ${completion.executionProvider}::text)
        from lease where j.job_id = lease.job_id
        returning j.*
      ), source as (
        insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
        select md5(source_path)::uuid, fingerprint, source_size, source_mtime_ns, job_id from job
        on conflict (path_md5, fingerprint) do update
        set source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns, job_id = excluded.job_id
      )
      select 1 from job
      union all
      -- The acknowledgement of an earlier try may have been lost on the way.
      select 1 from image_process_jobs
      where job_id = ${jobId} and attempt = ${attempt} and run_id = ${runId} and status = 'completed'`,
  )
  return rows.length > 0
}

/** Ends the lease of an attempt, if it still has one. Whoever deletes the lease has the job. */
const endLease = (
  sql: postgres.Sql,
  { jobId, attempt, runId }: Pick<Completion, 'jobId' | 'attempt' | 'runId'>,
  condition = sql`true`,
) => sql`
  delete from job_leases l using image_process_jobs held
  where l.job_id = ${jobId} and l.run_id = ${runId} and held.job_id = l.job_id and held.attempt = ${attempt}
    and ${condition}
  returning l.job_id`

/**
 * Marks a claimed job as failed. A job that this attempt no longer holds is left alone.
 *
 * @returns false when this attempt no longer holds the job, and never will again; true when it has ended it
 */
export async function failJob(
  sql: postgres.Sql,
  failure: Pick<Completion, 'jobId' | 'attempt' | 'runId'> & { errorCode: ErrorCode; errorMessage: string },
): Promise<boolean> {
  const { jobId, attempt, runId } = failure
  const rows = await withDatabase(
    () => sql`
      with lease as (
        ${endLease(sql, failure)}
      ), job as (
        update image_process_jobs j
        set status = 'failed', error_code = ${failure.errorCode}, error_message = ${bounded(failure.errorMessage)}
        from lease where j.job_id = lease.job_id
        returning j.job_id
      )
      select 1 from job
      union all
      -- It has ended before: the acknowledgement may have been lost on the way.
      select 1 from image_process_jobs
      where job_id = ${jobId} and attempt = ${attempt} and run_id = ${runId} and status in ('completed', 'failed')`,
  )
  return rows.length > 0
}

export interface UnclaimedFailure {
  /** UUIDv7 for the row, where one is inserted. */
  jobId: string
  source: { path: string; size?: number; mtimeNs?: bigint }
  originalPath: (jobId: string, attempt: number) => string
  fingerprint: string
  params: Record<string, unknown>
  userId: string
  run: Run
  errorCode: ErrorCode
  errorMessage: string
}

/**
 * Logs a file that failed before its content was known. The failed row of an earlier run over the same file
 * is used again, so that running a command twice does not double it.
 *
 * @returns the id of the row
 */
export async function recordFailure(sql: postgres.Sql, failure: UnclaimedFailure): Promise<string> {
  const { source, fingerprint, run } = failure
  const size = source.size ?? null
  const mtimeNs = source.mtimeNs === undefined ? null : String(source.mtimeNs)
  const message = bounded(failure.errorMessage)
  const rows = await withDatabase(
    () => sql`
      with again as (
        update image_process_jobs
        set attempt = attempt + 1, run_id = ${run.id}, user_id = ${failure.userId}, source_size = ${size},
          source_mtime_ns = ${mtimeNs}, error_code = ${failure.errorCode}, error_message = ${message}
        where job_id = (
          select job_id from image_process_jobs
          where md5(source_path) = md5(${source.path}) and fingerprint = decode(${fingerprint}, 'hex')
            and status = 'failed' and source_path = ${source.path}
          order by created_at desc limit 1)
          and status = 'failed'
        returning job_id
      ), made as (
        insert into image_process_jobs as j (job_id, user_id, original_path, status, params, source_path, source_size,
          source_mtime_ns, fingerprint, run_id, file_size_kb, error_code, error_message)
        select ${failure.jobId}, ${failure.userId}, ${failure.originalPath(failure.jobId, 1)}, 'failed',
          ${sql.json(failure.params as postgres.JSONValue)}, ${source.path}, ${size}::bigint, ${mtimeNs}::bigint,
          decode(${fingerprint}, 'hex'), ${run.id}, ${size === null ? null : Math.ceil(size / 1024)}::integer,
          ${failure.errorCode}, ${message}
        where not exists (select from again)
        on conflict (md5(source_path), fingerprint) where status = 'failed' and content_sha256 is null do update
        set attempt = j.attempt + 1, run_id = excluded.run_id, user_id = excluded.user_id,
          source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns,
          error_code = excluded.error_code, error_message = excluded.error_message
        returning job_id
      )
      select job_id from again union all select job_id from made`,
  )
  return one(rows).job_id
}

/** One line that fits the column, without the NUL that PostgreSQL refuses in texts. */
function bounded(sentence: string): string {
  const line = sentence.replaceAll(/\p{Cc}+/gu, ' ')
  return line.length > 1000 ? `${line.slice(0, 999)}…` : line
}
