/** Table `job_leases`: which run holds which job, and until when. Claiming, completing and failing are in jobs.ts. */
import type postgres from 'postgres'
import { ownerIsDead, ownerIsOfEarlierBoot } from '../system/owner.ts'
import { withDatabase } from './errors.ts'

/** A job whose heartbeat is older than this belongs to a dead run and may be taken over. Tests cannot wait a minute. */
export const leaseMs = Number(process.env.RMBG_LEASE_MS ?? 60_000)

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

/** No run ever takes a lease for longer: one that lasts so long was given by a wrong clock. */
const absurdLeaseMs = 24 * 60 * 60 * 1000

/**
 * Lets go of the jobs of processes that are certainly gone, and of those that a wrong clock gave away for long. Only for
 * a database on this machine's own disk.
 */
export async function releaseJobsOfTheDead(sql: postgres.Sql): Promise<void> {
  const owners = await withDatabase(() => sql<{ owner: string }[]>`select distinct owner from job_leases`)
  const dead = owners
    .map(({ owner }) => owner)
    .filter((owner) => ownerIsDead(owner) || ownerIsOfEarlierBoot(owner))
  await releaseWhere(
    sql,
    () => sql`
      owner in (select jsonb_array_elements_text(${sql.json(dead)}))
      or lease_until > clock_timestamp() + ${absurdLeaseMs} * interval '1 millisecond'`,
  )
}

async function releaseWhere(sql: postgres.Sql, isReleased: () => postgres.PendingQuery<postgres.Row[]>) {
  await withDatabase(
    () => sql`
      with lease as (delete from job_leases where ${isReleased()} returning job_id)
      update image_process_jobs j set status = 'pending' from lease
      where j.job_id = lease.job_id and j.status = 'processing'`,
  )
}
