import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { ownerIsDead } from './owner.ts'

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
  originalPath: string
  maskPath: string
  processedPath: string
  processedBytes: number
  /** Hex. */
  processedSha256: string
}

/** The run that claims and holds jobs. */
export interface Run {
  id: string
  /** From `processOwner()`. */
  owner: string
  leaseMs: number
}

const completedColumns = (sql: postgres.ISql) => sql`
  j.job_id as "jobId", j.original_path as "originalPath", j.mask_path as "maskPath",
  j.processed_path as "processedPath", j.processed_bytes::float8 as "processedBytes",
  encode(j.processed_sha256, 'hex') as "processedSha256"`

/**
 * Which of the files are known to be completed with these parameters, told by path, size and time alone.
 *
 * @param fingerprint hex SHA-256 of model and parameters
 * @param sources up to about 1000, for one round trip
 * @returns one entry per source, in order
 */
export async function findCompletedBySource(
  sql: postgres.Sql,
  fingerprint: string,
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
    () => sql<(CompletedJob & { index: number })[]>`
      with wanted as (
        select * from jsonb_to_recordset(${sql.json(wanted)}) as w(index int, path text, size bigint, mtime bigint)
      )
      select w.index, ${completedColumns(sql)}
      from wanted w
      join known_sources k on k.path_md5 = md5(w.path)::uuid and k.fingerprint = decode(${fingerprint}, 'hex')
        and k.source_size = w.size and k.source_mtime_ns = w.mtime
      join image_process_jobs j on j.job_id = k.job_id and j.status = 'completed'`,
  )
  const found = new Map(rows.map(({ index, ...job }) => [index, job]))
  return sources.map((_, index) => found.get(index))
}

export interface ClaimRequest {
  /** UUIDv7 for the row, should one be inserted. */
  jobId: string
  source: SourceFile
  /** Hex. */
  contentSha256: string
  /** Hex. */
  fingerprint: string
  params: Record<string, unknown>
  userId: string
  originalPath: (jobId: string) => string
  /** Pixels. */
  imageWidth: number
  imageHeight: number
  fileSizeKb: number
  run: Run
  /** Do it again although it is completed. */
  force: boolean
}

export type Claim =
  | { state: 'claimed'; jobId: string; attempt: number }
  | { state: 'completed'; job: CompletedJob }
  | { state: 'held'; jobId: string; owner: string }

interface Holder {
  status: string
  attempt: number
  owner: string | null
  claimId: string | null
  isLive: boolean
}

/**
 * Gives this run the work of one content with one set of parameters, or says who has it or had it:
 * completed before (under whatever path), held by a live run, or claimed, be it as a new job, as the
 * job of a run that died, or as one that failed before. A job taken up again keeps its id and so its keys.
 * Claims of the same work queue behind one advisory lock, so that exactly one of them wins.
 */
export function claimJob(sql: postgres.Sql, request: ClaimRequest): Promise<Claim> {
  return withDatabase(() =>
    sql.begin(async (tx): Promise<Claim> => {
      for (;;) {
        const claim = await decideClaim(tx, request)
        if (claim) return claim
      }
    }),
  ) as Promise<Claim>
}

/** @returns undefined when the job in question ended while this claim looked at it: look again */
async function decideClaim(tx: postgres.TransactionSql, request: ClaimRequest): Promise<Claim | undefined> {
  const { contentSha256, fingerprint } = request
  // Both go out at once; the second runs when the lock is ours, and so sees what its last holder did.
  const [, same] = await Promise.all([
    tx`select pg_advisory_xact_lock(hashtextextended(${contentSha256 + fingerprint}, 0))`,
    tx<(CompletedJob & Holder)[]>`
      select ${completedColumns(tx)}, j.status, j.attempt, l.owner, l.claim_id as "claimId",
        coalesce(l.lease_until > clock_timestamp(), false) as "isLive"
      from image_process_jobs j left join job_leases l using (job_id)
      where j.content_sha256 = decode(${contentSha256}, 'hex') and j.fingerprint = decode(${fingerprint}, 'hex')
        and j.status <> 'failed'
      order by j.status = 'processing' desc, j.created_at desc`,
  ])
  const done = same.find(({ status }) => status === 'completed')
  if (done && !request.force) {
    await rememberSource(tx, request, done.jobId)
    return { state: 'completed', job: done }
  }
  const active = same.find(({ status }) => status !== 'completed')
  if (!active) {
    const failed = await failedJob(tx, request)
    return failed === undefined ? insertJob(tx, request) : takeUpJob(tx, request, failed)
  }
  // This very claim went through before, and only its acknowledgement was lost.
  if (active.claimId === request.jobId) {
    return { state: 'claimed', jobId: active.jobId, attempt: active.attempt }
  }
  if (active.isLive && !ownerIsDead(active.owner!)) {
    return { state: 'held', jobId: active.jobId, owner: active.owner! }
  }
  if (active.claimId !== null) {
    // Whoever deletes the lease has the job: its holder may be alive after all and completing it right now.
    const ended = await tx`
      delete from job_leases where job_id = ${active.jobId} and claim_id = ${active.claimId} returning job_id`
    if (ended.length === 0) return undefined
  }
  return takeUpJob(tx, request, active.jobId)
}

async function insertJob(tx: postgres.TransactionSql, request: ClaimRequest): Promise<Claim> {
  const { jobId, source, run } = request
  await tx`
    with job as (
      insert into image_process_jobs (job_id, user_id, original_path, status, started_at, params, image_width,
        image_height, file_size_kb, source_path, source_size, source_mtime_ns, content_sha256, fingerprint, run_id)
      values (${jobId}, ${request.userId}, ${request.originalPath(jobId)}, 'processing', clock_timestamp(),
        ${tx.json(request.params as postgres.JSONValue)}, ${request.imageWidth}, ${request.imageHeight},
        ${request.fileSizeKb}, ${source.path}, ${source.size}, ${String(source.mtimeNs)},
        decode(${request.contentSha256}, 'hex'), decode(${request.fingerprint}, 'hex'), ${run.id})
      returning job_id
    )
    ${insertLease(tx, request)}`
  return { state: 'claimed', jobId, attempt: 1 }
}

/** Takes up a job that nobody holds, with the file as it is now. */
async function takeUpJob(tx: postgres.TransactionSql, request: ClaimRequest, jobId: string): Promise<Claim> {
  const { source, run } = request
  const [job] = await tx`
    with job as (
      update image_process_jobs
      set status = 'processing', started_at = clock_timestamp(), attempt = attempt + 1, run_id = ${run.id},
        user_id = ${request.userId}, original_path = ${request.originalPath(jobId)},
        params = ${tx.json(request.params as postgres.JSONValue)}, image_width = ${request.imageWidth},
        image_height = ${request.imageHeight}, file_size_kb = ${request.fileSizeKb}, source_path = ${source.path},
        source_size = ${source.size}, source_mtime_ns = ${String(source.mtimeNs)},
        content_sha256 = decode(${request.contentSha256}, 'hex'), error_code = null, error_message = null
      where job_id = ${jobId}
      returning job_id, attempt
    ), lease as (
      ${insertLease(tx, request)}
    )
    select attempt from job`
  return { state: 'claimed', jobId, attempt: job!.attempt }
}

/** The lease of the row that the statement names `job`. */
const insertLease = (tx: postgres.ISql, { jobId, run }: ClaimRequest) => tx`
  insert into job_leases (job_id, run_id, claim_id, owner, lease_until)
  select job_id, ${run.id}::uuid, ${jobId}::uuid, ${run.owner}::text,
    clock_timestamp() + ${run.leaseMs} * interval '1 millisecond'
  from job`

/** A failed job of the same file, locked, whose objects (if any) are of the same content. */
async function failedJob(
  tx: postgres.TransactionSql,
  { source, fingerprint, contentSha256 }: ClaimRequest,
): Promise<string | undefined> {
  const [row] = await tx`
    select job_id as "jobId" from image_process_jobs
    where md5(source_path) = md5(${source.path}) and fingerprint = decode(${fingerprint}, 'hex') and status = 'failed'
      and source_path = ${source.path}
      and (content_sha256 is null or content_sha256 = decode(${contentSha256}, 'hex'))
    order by created_at desc limit 1
    for update`
  return row?.jobId
}

/** From now on this file is known to be done without being read. */
async function rememberSource(
  tx: postgres.ISql,
  { source, fingerprint }: { source: SourceFile; fingerprint: string },
  jobId: string,
): Promise<void> {
  await tx`
    insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
    values (md5(${source.path})::uuid, decode(${fingerprint}, 'hex'), ${source.size}, ${String(source.mtimeNs)}, ${jobId})
    on conflict (path_md5, fingerprint) do update
    set source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns, job_id = excluded.job_id`
}

export interface Completion {
  jobId: string
  runId: string
  maskPath: string
  processedPath: string
  originalBytes: number
  maskBytes: number
  processedBytes: number
  /** Hex. */
  maskSha256: string
  processedSha256: string
  processingTimeMs: number
  executionProvider: string
}

/**
 * Turns a job completed, in the one statement that records its keys and checksums and ends its lease. Call it only
 * after the store acknowledged all three objects.
 *
 * @returns false when this run no longer holds the job: another one has taken it over
 */
export async function completeJob(sql: postgres.Sql, completion: Completion): Promise<boolean> {
  const { jobId, runId } = completion
  const rows = await withDatabase(
    () => sql`
      with lease as (
        delete from job_leases where job_id = ${jobId} and run_id = ${runId} returning job_id
      ), job as (
        update image_process_jobs j
        set status = 'completed', completed_at = greatest(clock_timestamp(), created_at),
          mask_path = ${completion.maskPath}, processed_path = ${completion.processedPath},
          original_bytes = ${completion.originalBytes}, mask_bytes = ${completion.maskBytes},
          processed_bytes = ${completion.processedBytes}, mask_sha256 = decode(${completion.maskSha256}, 'hex'),
          processed_sha256 = decode(${completion.processedSha256}, 'hex'),
          processing_time_ms = ${completion.processingTimeMs}, execution_provider = ${completion.executionProvider},
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
      select 1 from image_process_jobs where job_id = ${jobId} and run_id = ${runId} and status = 'completed'`,
  )
  return rows.length > 0
}

/** Ends a claimed job as failed; a job this run no longer holds is left alone. */
export async function failJob(
  sql: postgres.Sql,
  failure: { jobId: string; runId: string; errorCode: string; errorMessage: string },
): Promise<void> {
  await withDatabase(
    () => sql`
      with lease as (
        delete from job_leases where job_id = ${failure.jobId} and run_id = ${failure.runId} returning job_id
      )
      update image_process_jobs j
      set status = 'failed', error_code = ${failure.errorCode}, error_message = ${bounded(failure.errorMessage)}
      from lease where j.job_id = lease.job_id`,
  )
}

export interface UnclaimedFailure {
  /** UUIDv7 for the row, should one be inserted. */
  jobId: string
  source: { path: string; size?: number; mtimeNs?: bigint }
  originalPath: (jobId: string) => string
  fingerprint: string
  params: Record<string, unknown>
  userId: string
  run: Run
  errorCode: string
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
  return withDatabase(() =>
    sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(hashtextextended(${source.path + fingerprint}, 1))`
      const [again] = await tx`
        update image_process_jobs
        set attempt = attempt + 1, run_id = ${run.id}, user_id = ${failure.userId}, source_size = ${size},
          source_mtime_ns = ${mtimeNs}, error_code = ${failure.errorCode},
          error_message = ${bounded(failure.errorMessage)}
        where job_id = (
          select job_id from image_process_jobs
          where md5(source_path) = md5(${source.path}) and fingerprint = decode(${fingerprint}, 'hex')
            and status = 'failed' and source_path = ${source.path}
          order by created_at desc limit 1)
        returning job_id as "jobId"`
      if (again) return again.jobId as string
      await tx`
        insert into image_process_jobs (job_id, user_id, original_path, status, params, source_path, source_size,
          source_mtime_ns, fingerprint, run_id, file_size_kb, error_code, error_message)
        values (${failure.jobId}, ${failure.userId}, ${failure.originalPath(failure.jobId)}, 'failed',
          ${tx.json(failure.params as postgres.JSONValue)}, ${source.path}, ${size}, ${mtimeNs},
          decode(${fingerprint}, 'hex'), ${run.id}, ${size === null ? null : Math.ceil(size / 1024)},
          ${failure.errorCode}, ${bounded(failure.errorMessage)})`
      return failure.jobId
    }),
  ) as Promise<string>
}

/** An interrupted run lets go of what it did not finish: the jobs are pending again and anybody's. */
export async function releaseJobs(sql: postgres.Sql, runId: string): Promise<void> {
  await withDatabase(
    () => sql`
      with lease as (delete from job_leases where run_id = ${runId} returning job_id)
      update image_process_jobs j set status = 'pending' from lease
      where j.job_id = lease.job_id and j.status = 'processing'`,
  )
}

/** The heartbeat of a run: all its leases at once. */
export async function renewLeases(sql: postgres.Sql, { id, leaseMs }: Run): Promise<void> {
  await sql`
    update job_leases set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where run_id = ${id}`
}

/** One line that fits the column; PostgreSQL takes no NUL in a text. */
function bounded(sentence: string): string {
  const line = sentence.replaceAll(/\p{Cc}+/gu, ' ')
  return line.length > 1000 ? `${line.slice(0, 999)}…` : line
}
