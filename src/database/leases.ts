/** Table `job_leases`: which run holds which job, and until when. Claiming, completing and failing are in jobs.ts. */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'

/** A run that claims and holds jobs. */
export interface Run {
  id: string
  /** From `processOwner()`. */
  owner: string
  leaseMs: number
}

/** The heartbeat of a run: renews all its leases at once. */
export async function renewLeases(sql: postgres.Sql, { id, leaseMs }: Run): Promise<void> {
  await sql`
    update job_leases set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where run_id = ${id}`
}

/** Lets go of what a run did not finish: the jobs are pending again, and any run may claim them. */
export const releaseJobs = (sql: postgres.Sql, runId: string): Promise<void> =>
  releaseWhere(sql, () => sql`run_id = ${runId}`)

/**
 * Lets go of every job, even where a wrong clock gave a lease years. Only for a database that no other process can
 * have open.
 */
export const releaseAllJobs = (sql: postgres.Sql): Promise<void> => releaseWhere(sql, () => sql`true`)

async function releaseWhere(sql: postgres.Sql, isReleased: () => postgres.PendingQuery<postgres.Row[]>) {
  await withDatabase(
    () => sql`
      with lease as (delete from job_leases where ${isReleased()} returning job_id)
      update image_process_jobs j set status = 'pending' from lease
      where j.job_id = lease.job_id and j.status = 'processing'`,
  )
}
