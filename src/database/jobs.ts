/**
 * Tables `open_jobs` and `image_process_jobs` as a run sees them: claim a job, complete it, fail it, and find what is
 * done. A job is written into the log, `image_process_jobs`, when it ends. All writing is done by functions of the
 * database, in migrations/0036_open_jobs.sql.
 */
import type postgres from 'postgres'
import type { ErrorCode } from '../errors.ts'
import { ownerIsDead } from '../system/owner.ts'
import { withDatabase } from './errors.ts'
import { gathered } from './gather.ts'
import { type KeptKind, keptKinds, kindsArray, namedOriginal } from './kept.ts'
import type { Run } from './leases.ts'
import { withRoom } from './partitions.ts'
import { one } from './rows.ts'
import { isSuperseded } from './versions.ts'

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

/** What is told of a completed job. */
export interface NamedJob {
  jobId: string
  /** Keys; null for what was not kept. */
  originalPath: string | null
  maskPath: string | null
  processedPath: string | null
  review: JobReview | null
}

export interface CompletedJob extends NamedJob {
  /** Of mask and cut-out as they were made, kept or not. */
  maskBytes: number
  processedBytes: number
  /** Hex. */
  maskSha256: string
  processedSha256: string
  /** Milliseconds since 1970. */
  completedAtMs: number
}

type JobRow = postgres.PendingQuery<postgres.Row[]>

const namedColumns = (sql: postgres.Sql, job: JobRow) => sql`
  ${job}.job_id as "jobId", ${namedOriginal(sql, job)} as "originalPath", ${job}.mask_path as "maskPath",
  ${job}.processed_path as "processedPath", ${job}.review`

const completedColumns = (sql: postgres.Sql, job: JobRow) => sql`
  ${namedColumns(sql, job)}, ${job}.mask_bytes::float8 as "maskBytes",
  ${job}.processed_bytes::float8 as "processedBytes", encode(${job}.mask_sha256, 'hex') as "maskSha256",
  encode(${job}.processed_sha256, 'hex') as "processedSha256",
  floor(extract(epoch from ${job}.completed_at) * 1000)::float8 as "completedAtMs"`

const namedJob = (row: postgres.Row): NamedJob => ({
  jobId: row.jobId,
  originalPath: row.originalPath,
  maskPath: row.maskPath,
  processedPath: row.processedPath,
  review: row.review,
})

const completedJob = (row: postgres.Row): CompletedJob => ({
  ...namedJob(row),
  maskBytes: row.maskBytes,
  processedBytes: row.processedBytes,
  maskSha256: row.maskSha256,
  processedSha256: row.processedSha256,
  completedAtMs: row.completedAtMs,
})

/** How completed jobs are looked for. */
interface WantedWork {
  /** Hex SHA-256 of model and parameters. */
  fingerprint: string
  /** What has to be kept of a job that counts. */
  keep: readonly KeptKind[]
}

/**
 * Which of the files are completed with these parameters, judged by path, size and time alone.
 *
 * @param sources up to about 1000, for one round trip
 * @returns one entry per source, in order
 */
export const findCompletedBySource = (
  sql: postgres.Sql,
  wanted: WantedWork,
  sources: readonly SourceFile[],
) => bySource(sql, wanted, sources, { columns: completedColumns, job: completedJob })

/** The same without the figures that nobody asks for when a file is only told of. */
export const findNamedBySource = (sql: postgres.Sql, wanted: WantedWork, sources: readonly SourceFile[]) =>
  bySource(sql, wanted, sources, { columns: namedColumns, job: namedJob })

async function bySource<Job>(
  sql: postgres.Sql,
  { fingerprint, keep }: WantedWork,
  sources: readonly SourceFile[],
  read: { columns: typeof namedColumns; job: (row: postgres.Row) => Job },
): Promise<(Job | undefined)[]> {
  const found: (Job | undefined)[] = Array(sources.length).fill(undefined)
  if (sources.length === 0) return found
  const wanted = sources.map(({ path, size, mtimeNs }) => ({ path, size, mtime: String(mtimeNs) }))
  // As one value: of many rows with a value each, the client would spend twice the time.
  const { jobs } = one(
    await withDatabase(
      () => sql<{ jobs: postgres.Row[] | null }[]>`
      select json_agg(j) as jobs from (
        select distinct on (c.place) c.place, ${read.columns(sql, sql`(c.job)`)}
        from completed_of_sources(${sql.json(wanted)}, decode(${fingerprint}, 'hex'), ${kindsArray(sql, keep)}) c
        order by c.place, (c.job).created_at desc
      ) j`,
    ),
  )
  for (const row of jobs ?? []) found[row.place - 1] = read.job(row)
  return found
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
      select ${completedColumns(sql, sql`j`)} from jobs_of_cutout(decode(${sha256}, 'hex')) j limit 1`,
  )
  return row && completedJob(row)
}

/** A job whose mask, byte for byte, has this content; see `findJobOfCutout`. */
export async function findJobOfMask(sql: postgres.Sql, sha256: string): Promise<CompletedJob | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${completedColumns(sql, sql`j`)} from jobs_of_mask(decode(${sha256}, 'hex')) j limit 1`,
  )
  return row && completedJob(row)
}

/** The job that made a file with this content, as its cut-out or its mask. @param sha256 hex */
export async function findJobOfFile(
  sql: postgres.Sql,
  sha256: string,
): Promise<{ job: CompletedJob; made: 'cut-out' | 'mask' } | undefined> {
  const row = await jobsOfFiles(sql, sha256)
  return row && { job: completedJob(row), made: row.isCutout ? 'cut-out' : 'mask' }
}

const jobsOfFiles = gathered<string, postgres.Row | undefined>(async (sql, digests) => {
  const rows = await withDatabase(
    () => sql`
      select w.place::float8 as place, ${completedColumns(sql, sql`j`)}, j."isCutout"
      from jsonb_array_elements_text(${sql.json([...digests])}) with ordinality as w(digest, place)
      cross join lateral (
        (select true as "isCutout", c.* from jobs_of_cutout(decode(w.digest, 'hex')) c limit 1)
        union all
        (select false, m.* from jobs_of_mask(decode(w.digest, 'hex')) m limit 1)
      ) j`,
  )
  // What is both is a cut-out first.
  return digests.map((_, index) => rows.find(({ place }) => place === index + 1))
})

/** A completed job whose mask can be used for another cut-out. */
export interface MaskedJob {
  jobId: string
  source: SourceFile
  /** A key, or the address of an input that is referenced; null where it was not kept. */
  originalPath: string | null
  maskPath: string | null
  /** Hex. */
  contentSha256: string
  maskSha256: string
  /** What made the mask, as in `params`. */
  model: Record<string, postgres.JSONValue>
  params: Record<string, postgres.JSONValue>
}

const maskedColumns = (sql: postgres.Sql, job: postgres.PendingQuery<postgres.Row[]>) => sql`
  job_id as "jobId", source_path as path, source_size::float8 as size, source_mtime_ns::text as "mtimeNs",
  ${namedOriginal(sql, job)} as "originalPath", mask_path as "maskPath",
  encode(content_sha256, 'hex') as "contentSha256",
  encode(mask_sha256, 'hex') as "maskSha256", params -> 'model' as model, params`

function maskedJob(row: postgres.Row | undefined): MaskedJob | undefined {
  if (!row) return undefined
  const { path, size, mtimeNs, ...rest } = row
  return { ...rest, source: { path, size, mtimeNs: BigInt(mtimeNs) } } as MaskedJob
}

/** The completed job with this id. */
export async function findMaskedJob(sql: postgres.Sql, jobId: string): Promise<MaskedJob | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select ${maskedColumns(sql, sql`image_process_jobs`)} from image_process_jobs
      where job_id = ${jobId} and status = 'completed'`,
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
      with masked as materialized (
        select * from jobs_of_content(decode(${contentSha256}, 'hex')) j
        where j.status = 'completed' and j.mask_path is not null
      )
      select ${maskedColumns(sql, sql`masked`)} from masked
      -- A version that a review has replaced comes last.
      order by ${isSuperseded(sql, sql`masked.job_id`)}, created_at desc limit 1`,
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
  /** Names that the job gets, in addition to those it has. */
  tags: readonly string[]
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
 * rules are in migrations/0036_open_jobs.sql.
 */
export async function claimJob(sql: postgres.Sql, request: ClaimRequest): Promise<Claim> {
  const { source, run, originalPath, ...rest } = request
  const question = {
    ...rest,
    runId: run.id,
    owner: run.owner,
    leaseMs: run.leaseMs,
    sourcePath: source.path,
    sourceSize: source.size,
    sourceMtimeNs: String(source.mtimeNs),
    originalPath: originalPath(request.jobId, 1),
  }
  let answer = await claims(sql, question)
  if (answer.state === 'held' && ownerIsDead(answer.owner)) {
    answer = await claims(sql, { ...question, gone: answer.claimId })
  }
  const { state, jobId, attempt, owner } = answer
  if (state === 'held') return { state, jobId, owner }
  if (state === 'completed') return { state, job: completedJob(answer) }
  const path = originalPath(jobId, attempt)
  if (answer.originalPath !== path) {
    await withDatabase(() => sql`select name_original(${jobId}, ${attempt}, ${run.id}, ${path})`)
  }
  const { storedPath, storedBytes } = answer
  const stored = storedPath !== null && { stored: { key: storedPath, bytes: storedBytes } }
  return { state, jobId, attempt, ...stored }
}

const claims = gathered<Record<string, unknown>, postgres.Row>((sql, requests) =>
  withRoom(
    sql,
    requests.map(({ jobId }) => jobId as string),
    () =>
      withDatabase(
        () => sql`
          select c.state, c.owner, c.claim_id as "claimId", (c.job).attempt, ${completedColumns(sql, sql`(c.job)`)},
            s.original_path as "storedPath", s.original_bytes::float8 as "storedBytes"
          from claim_jobs(${sql.json(requests as postgres.JSONValue)}) c
          left join lateral (
            select * from stored_original((c.job).content_sha256, (c.job).user_id) where c.state = 'claimed'
          ) s on true
          order by c.request`,
      ),
  ),
)

export interface Completion {
  jobId: string
  /** As it was claimed: a run may lose a job and claim it again, and the lease is then of its later attempt. */
  attempt: number
  runId: string
  /** As of the claim. */
  params: Record<string, unknown>
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
 * Completes a job: one statement writes it into the log, with its keys and checksums, and ends its lease. Call it only
 * after the store has acknowledged all objects that are kept.
 *
 * @returns false when this attempt no longer holds the job, and never will again: another one has taken it over, or the
 *   job is gone. With `sharesOriginal` also, with nothing done, when no completed job names that original any more: store
 *   an own one and call it again
 */
export async function completeJob(sql: postgres.Sql, completion: Completion): Promise<boolean> {
  const kept = keptKinds.filter((kind) => completion[`${kind}Path`] !== null)
  // It may have to wait for a prune, and must hold nothing meanwhile.
  if (completion.sharesOriginal) return one(await complete(sql, [{ ...completion, kept }]))
  return completions(sql, { ...completion, kept })
}

async function complete(
  sql: postgres.Sql,
  requests: readonly (Completion & { kept: KeptKind[] })[],
): Promise<boolean[]> {
  const ids = requests.map(({ jobId }) => jobId)
  const rows = await withRoom(sql, ids, () =>
    withDatabase<{ isDone: boolean }>(
      () => sql`
        select is_done as "isDone" from complete_jobs(${sql.json(requests as unknown as postgres.JSONValue)})
        order by completion`,
    ),
  )
  return rows.map(({ isDone }) => isDone)
}

const completions = gathered(complete)

/**
 * Marks a claimed job as failed. A job that this attempt no longer holds is left alone.
 *
 * @returns false when this attempt no longer holds the job, and never will again; true when it has ended it
 */
export async function failJob(
  sql: postgres.Sql,
  failure: Pick<Completion, 'jobId' | 'attempt' | 'runId' | 'params'> & {
    errorCode: ErrorCode
    errorMessage: string
  },
): Promise<boolean> {
  const sent = { ...failure, errorMessage: bounded(failure.errorMessage) }
  const rows = await withRoom(sql, [failure.jobId], () =>
    withDatabase<{ ended: boolean }>(
      () => sql`select fail_job(${sql.json(sent as postgres.JSONValue)}) as ended`,
    ),
  )
  return one(rows).ended
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
  /** As of a claim. */
  tags: readonly string[]
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
  const { source, run, originalPath, jobId, ...rest } = failure
  const sent = {
    ...rest,
    jobId,
    runId: run.id,
    originalPath: originalPath(jobId, 1),
    sourcePath: wellFormed(source.path),
    sourceSize: source.size ?? null,
    sourceMtimeNs: source.mtimeNs === undefined ? null : String(source.mtimeNs),
    errorMessage: bounded(failure.errorMessage),
  }
  const rows = await withRoom(sql, [jobId], () =>
    withDatabase<{ jobId: string }>(
      () => sql`select record_failure(${sql.json(sent as postgres.JSONValue)}) as "jobId"`,
    ),
  )
  return one(rows).jobId
}

/** One line that fits the column, without the NUL that PostgreSQL refuses in texts. */
function bounded(sentence: string): string {
  const line = sentence.replaceAll(/\p{Cc}+/gu, ' ')
  return wellFormed(line.length > 1000 ? `${line.slice(0, 999)}…` : line)
}

/** Without halves of characters, which JSON lets through and PostgreSQL refuses in it. */
const wellFormed = (text: string): string => text.replaceAll(/\p{Cs}/gu, '\uFFFD')
