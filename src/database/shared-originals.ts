/** Originals that a job names but another one has stored: who names an object decides whether it may go. */
import type postgres from 'postgres'
import { databaseError, withDatabase } from './errors.ts'
import { utc } from './sql-time.ts'

/**
 * Whether the key of a job's original is under the id of another one; an input that is referenced is nobody's. As the
 * index of these rows has it, word for word.
 *
 * @param job the table, or its alias
 */
export const hasSharedKey = (sql: postgres.Sql, job: postgres.PendingQuery<postgres.Row[]>) =>
  sql`(strpos(${job}.original_path, ${job}.job_id::text) = 0 and strpos(${job}.original_path, 's3://') <> 1)`

/** A completed job that keeps its original. */
const namesOriginal = (sql: postgres.Sql) => sql`j.status = 'completed' and 'original' = any (j.kept)`

/**
 * Those of these originals that must stay: a completed job names them, or they are among the objects that a prune was
 * told to leave.
 *
 * Of an original that no job is completing with as its own (its attempt has ended, or never will complete), the answer
 * "nobody" is final: who names the original of another job holds a completed row that names it (`hold_original`). So
 * an answer may be relied on if it was asked for after the row that named it last had gone.
 *
 * @param originals with the job under whose id they are
 * @returns keys
 */
export async function neededOriginals(
  sql: postgres.Sql,
  originals: readonly { key: string; jobId: string }[],
): Promise<Set<string>> {
  if (originals.length === 0) return new Set()
  const asked = originals.map(({ key, jobId }) => ({ key, job_id: jobId }))
  const rows = await withDatabase<{ key: string }>(
    () => sql`
      with asked as materialized (
        select * from jsonb_to_recordset(${sql.json(asked)}) as a(key text, job_id uuid)
      )
      select a.key from asked a join image_process_jobs j on j.job_id = a.job_id and j.original_path = a.key
      where ${namesOriginal(sql)}
      union
      select a.key from asked a join image_process_jobs j on j.original_path collate "C" = a.key
      where ${hasSharedKey(sql, sql`j`)} and ${namesOriginal(sql)}
      union
      select a.key from asked a join tombstones t on t.job_id = a.job_id where t.kept
      union
      select a.key from asked a join tombstones t on t.shared_key = a.key where t.kept`,
  )
  return new Set(rows.map(({ key }) => key))
}

/** A completed job that names an original under the id of another one. */
export interface SharingJob {
  jobId: string
  completedAt: string
  /** Of the original. */
  key: string
  /** Of the other objects that it keeps. */
  otherKeys: string[]
}

/** All of them, in the order of these keys; flat memory. */
export const sharingJobs = (sql: postgres.Sql): AsyncGenerator<SharingJob> =>
  pagesByKey((after) =>
    withDatabase<SharingJob>(
      () => sql`
        select job_id as "jobId", ${utc(sql, sql`completed_at`)} as "completedAt", original_path as key,
          to_json(array_remove(array[mask_path, processed_path], null)) as "otherKeys"
        ${pageOfSharing(sql, after)}`,
    ),
  )

/** An original that a job names, in the order of keys; several jobs may name one. */
interface SharedOriginal {
  jobId: string
  key: string
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
}

/**
 * The originals under the ids of other jobs than those that name them, in the order of their keys; flat memory.
 *
 * @param connection a session, which may be in a transaction of its own
 */
export const sharedOriginals = (connection: postgres.Sql): AsyncGenerator<SharedOriginal> =>
  pagesByKey((after) =>
    connection<SharedOriginal[]>`
      select job_id as "jobId", original_path as key, original_bytes::float8 as size,
        encode(content_sha256, 'hex') as sha256
      ${pageOfSharing(connection, after)}`.catch((cause) => Promise.reject(databaseError(cause))),
  )

interface Place {
  key: string
  jobId: string
}

const pageOfSharing = (sql: postgres.Sql, { key, jobId }: Place) => sql`
  from image_process_jobs j
  where ${hasSharedKey(sql, sql`j`)} and ${namesOriginal(sql)} and content_sha256 is not null
    and (original_path collate "C", job_id) > (${key}, ${jobId}::uuid)
  order by original_path collate "C", job_id limit 2000`

/** @param pageAfter the rows after a place, in that order; none ends it */
async function* pagesByKey<Row extends Place>(
  pageAfter: (place: Place) => Promise<readonly Row[]>,
): AsyncGenerator<Row> {
  let after: Place = { key: '', jobId: '00000000-0000-0000-0000-000000000000' }
  for (;;) {
    const page = await pageAfter(after)
    yield* page
    const last = page.at(-1)
    if (!last) return
    after = last
  }
}
