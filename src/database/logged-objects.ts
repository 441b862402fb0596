import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { utc } from './sql-time.ts'

export interface LoggedObject {
  jobId: string
  status: string
  /** The key of the kind asked for; null when the job has none. */
  path: string | null
  completedAt: string | null
}

/** All jobs in the order of their ids, which is that of their keys, with the key of one kind; flat memory. */
export async function* loggedObjects(
  sql: postgres.Sql,
  kind: 'original' | 'mask' | 'processed',
): AsyncGenerator<LoggedObject> {
  const path = sql(`${kind}_path`)
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const page = await withDatabase<LoggedObject>(
      () => sql`
        select job_id as "jobId", status, ${path} as path, ${utc(sql, sql`completed_at`)} as "completedAt"
        from image_process_jobs where job_id > ${after} order by job_id limit 2000`,
    )
    yield* page
    const last = page.at(-1)
    if (!last) return
    after = last.jobId
  }
}

/** Which of these ids have a job or a tombstone. */
export async function knownJobs(sql: postgres.Sql, jobIds: readonly string[]): Promise<Set<string>> {
  if (jobIds.length === 0) return new Set()
  const rows = await withDatabase(
    () => sql`
      select job_id as "jobId" from image_process_jobs where job_id in ${sql(jobIds)}
      union all select job_id from tombstones where job_id in ${sql(jobIds)}`,
  )
  return new Set(rows.map(({ jobId }) => jobId))
}

/**
 * A completed job one of whose objects is not in the store is no completed job: it fails, and the next run over the
 * same file does it again.
 *
 * @returns whether the job was still completed
 */
export async function failForMissingObject(sql: postgres.Sql, jobId: string, key: string): Promise<boolean> {
  const message = `The object ${key} is no longer in the store. Process the image again.`
  const rows = await withDatabase(
    () => sql`
      update image_process_jobs
      set status = 'failed', error_code = 'STORE_OBJECT_MISSING', error_message = ${message}
      where job_id = ${jobId} and status = 'completed' returning 1`,
  )
  return rows.length > 0
}
