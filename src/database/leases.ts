/** Leases, in table `open_jobs`: which run holds which job, and until when. Claiming, completing and failing are in jobs.ts. */
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
  await sql`select renew_leases(${id}, ${leaseMs})`
}

/** Lets go of what a run did not finish: the jobs are pending again, and any run may claim them. */
export async function releaseJobs(sql: postgres.Sql, runId: string): Promise<void> {
  await withDatabase(() => sql`select release_jobs(${runId})`)
}

/** No run ever takes a lease for longer: one that lasts so long was given by a wrong clock. */
const absurdLeaseMs = 24 * 60 * 60 * 1000

/**
 * Lets go of the jobs of processes that are certainly gone, and of those that a wrong clock gave away for long. Only for
 * a database on this machine's own disk.
 */
export async function releaseJobsOfTheDead(sql: postgres.Sql): Promise<void> {
  const owners = await withDatabase(
    () => sql<{ owner: string }[]>`select distinct owner from open_jobs where owner is not null`,
  )
  const dead = owners
    .map(({ owner }) => owner)
    .filter((owner) => ownerIsDead(owner) || ownerIsOfEarlierBoot(owner))
  await withDatabase(
    () => sql`select release_jobs_of(${sql.json(dead)}, ${absurdLeaseMs} * interval '1 millisecond')`,
  )
}
