import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { isNotOpenAgain } from './filters.ts'
import { keptOriginal } from './kept.ts'
import { pagesById } from './rows.ts'
import { utc } from './sql-time.ts'

/** A job and the keys of its objects. */
export interface LoggedJob {
  jobId: string
  status: string
  completedAt: string | null
  /** Of the objects that the job names; a completed job names those that were kept. */
  keys: string[]
}

const columns = (sql: postgres.Sql) => sql`
  j.job_id as "jobId", j.status, ${utc(sql, sql`j.completed_at`)} as "completedAt",
  to_json(array_remove(
    array[${keptOriginal(sql, sql`j`)}, j.mask_path, j.processed_path], null)) as keys`

/** All jobs in the order of their ids, which is that of their objects' keys; flat memory. */
export const loggedJobs = (sql: postgres.Sql): AsyncGenerator<LoggedJob> =>
  pagesById((after) =>
    withDatabase<LoggedJob>(
      () => sql`
        (select ${columns(sql)} from image_process_jobs j
          where j.job_id > ${after} and ${isNotOpenAgain(sql)} order by j.job_id limit 2000)
        union all
        (select ${columns(sql)} from open_job_rows j where j.job_id > ${after} order by j.job_id limit 2000)
        order by "jobId" limit 2000`,
    ),
  )

/**
 * Those of these ids that have a job or a tombstone; a tombstone has the status `deleted` and names no key, and so has
 * whatever is of a month whose objects a prune is about to remove.
 */
export async function knownJobs(
  sql: postgres.Sql,
  jobIds: readonly string[],
): Promise<Map<string, LoggedJob>> {
  if (jobIds.length === 0) return new Map()
  const rows = await withDatabase<LoggedJob>(
    () => sql`
      select job_id as "jobId", 'deleted' as status, null as "completedAt", '[]'::json as keys
      from tombstones where job_id in ${sql(jobIds)}
      union all
      select id::uuid, 'deleted', null, '[]'::json from jsonb_array_elements_text(${sql.json([...jobIds])}) id
      where exists (select from gone_months m where coalesce(id::uuid >= m.from_id, true) and id::uuid < m.to_id)
      union all select ${columns(sql)} from all_jobs j where j.job_id in ${sql(jobIds)}`,
  )
  return new Map(rows.map((row) => [row.jobId, row]))
}

/**
 * A completed job one of whose objects is not in the store is no completed job: it fails, and the next run over the
 * same file does it again.
 *
 * @param before only when it was completed before this time: done again since, it has its objects
 * @returns whether the job was still completed and named this key
 */
export async function failForMissingObject(
  sql: postgres.Sql,
  { jobId, key, before }: { jobId: string; key: string; before: string },
): Promise<boolean> {
  const message = `The object ${key} is no longer in the store. Process the image again.`
  const rows = await withDatabase(
    () => sql`
      update image_process_jobs
      set status = 'failed', error_code = 'STORE_OBJECT_MISSING', error_message = ${message}
      where job_id = ${jobId} and status = 'completed' and completed_at < ${before}::text::timestamptz
        and ${key} in (original_path, mask_path, processed_path)
      returning 1`,
  )
  return rows.length > 0
}
