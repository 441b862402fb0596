import type postgres from 'postgres'
import { withDatabase } from './errors.ts'

/** What a completed job tells about the next one. */
export interface RecentJob {
  /** Milliseconds since 1970. */
  startedAtMs: number
  completedAtMs: number
  sourceBytes: number
  /** Of what was made, stored or not. */
  maskBytes: number
  processedBytes: number
  /** Whether it has the same parameters, and not only the same model. */
  isSame: boolean
}

/** Jobs of the log's newest end among which those of one model are looked for. */
const newestJobs = 5000

/**
 * The last completed jobs of a model, newest first.
 *
 * @param of.model a part of `params`, which names the model
 * @param of.fingerprint hex
 */
export async function recentJobs(
  sql: postgres.Sql,
  { model, fingerprint }: { model: Record<string, unknown>; fingerprint: string },
): Promise<RecentJob[]> {
  return withDatabase<RecentJob>(
    () => sql`
      with newest as materialized (
        select * from image_process_jobs order by created_at desc, job_id desc limit ${newestJobs}
      )
      select extract(epoch from started_at)::float8 * 1000 as "startedAtMs",
        extract(epoch from completed_at)::float8 * 1000 as "completedAtMs", source_size::float8 as "sourceBytes",
        mask_bytes::float8 as "maskBytes", processed_bytes::float8 as "processedBytes",
        fingerprint = decode(${fingerprint}, 'hex') as "isSame"
      from newest
      where status = 'completed' and started_at is not null and source_size is not null
        and mask_bytes is not null and processed_bytes is not null
        and params @> ${sql.json({ model } as postgres.JSONValue)}
      order by created_at desc, job_id desc limit 1000`,
  )
}
