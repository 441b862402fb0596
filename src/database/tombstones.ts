import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { type JobFilter, jobCondition } from './filters.ts'
import { utc } from './sql-time.ts'

/** Jobs by how they ended: each kind has an age and an index of its own. */
export type DoomedKind = 'completed' | 'failed' | 'abandoned'

export interface PrunePolicy {
  /** Older than these intervals, by when they were completed or, not being completed, created. */
  olderThan: Partial<Record<DoomedKind, string>>
  /** Completed jobs that each user keeps whatever their age, newest first. */
  keepLast: number | undefined
  filter: Pick<JobFilter, 'user' | 'tags' | 'exceptTags'>
}

export interface PrunePlan {
  /** Fixed when the plan is made, so that what is executed is what was shown. */
  before: Partial<Record<DoomedKind, string>>
  rows: Record<DoomedKind, number>
  /** Of stored objects, as far as the log knows them. */
  bytes: number
  oldest: string | null
  newest: string | null
  /** Jobs in the whole log. */
  totalRows: number
  /** Retained backups that still refer to some of these jobs. */
  backups: { backupId: string; location: string; createdAt: string; withObjects: boolean }[]
  /** The database's clock minus this machine's. */
  clockSkewMs: number
}

export const doomedKinds = ['completed', 'failed', 'abandoned'] as const

/** What would be deleted, by the database's clock. Reads only. */
export async function planPrune(sql: postgres.Sql, policy: PrunePolicy): Promise<PrunePlan> {
  const askedAt = Date.now()
  const [clock] = await withDatabase(
    () => sql`select extract(epoch from clock_timestamp())::float8 * 1000 as now`,
  )
  const clockSkewMs = Math.round(clock!.now - (askedAt + Date.now()) / 2)
  const plan: PrunePlan = {
    before: {},
    rows: { completed: 0, failed: 0, abandoned: 0 },
    bytes: 0,
    oldest: null,
    newest: null,
    totalRows: 0,
    backups: [],
    clockSkewMs,
  }
  for (const kind of doomedKinds) {
    const age = policy.olderThan[kind]
    if (age === undefined) continue
    const [cutoff] = await withDatabase(
      () => sql`select ${utc(sql, sql`now() - ${age}::interval`)} as before`,
    )
    plan.before[kind] = cutoff!.before
    const condition = await doomed(sql, policy, kind, cutoff!.before)
    const [sums] = await withDatabase(
      () => sql`
        select count(*)::float8 as rows, coalesce(sum(${storedBytes(sql)}), 0)::float8 as bytes,
          ${utc(sql, sql`min(j.created_at)`)} as oldest, ${utc(sql, sql`max(j.created_at)`)} as newest
        from image_process_jobs j where ${condition()}`,
    )
    plan.rows[kind] = sums!.rows
    plan.bytes += sums!.bytes
    plan.oldest = earlier(plan.oldest, sums!.oldest)
    plan.newest = later(plan.newest, sums!.newest)
  }
  const [total] = await withDatabase(() => sql`select count(*)::float8 as rows from image_process_jobs`)
  plan.totalRows = total!.rows
  if (plan.oldest !== null) plan.backups = await backupsSince(sql, plan.oldest)
  return plan
}

const earlier = (a: string | null, b: string | null) => (a === null || (b !== null && b < a) ? b : a)
const later = (a: string | null, b: string | null) => (a === null || (b !== null && b > a) ? b : a)

const storedBytes = (sql: postgres.Sql) =>
  sql`coalesce(j.original_bytes, j.source_size, 0) + coalesce(j.mask_bytes, 0) + coalesce(j.processed_bytes, 0)`

/** A backup holds the jobs that were there when it was taken. */
async function backupsSince(sql: postgres.Sql, oldest: string): Promise<PrunePlan['backups']> {
  const rows = await withDatabase(
    () => sql`
      select backup_id as "backupId", location, ${utc(sql, sql`created_at`)} as "createdAt",
        with_objects as "withObjects"
      from backups where removed_at is null and created_at >= ${oldest}::text::timestamptz
      order by backups.created_at desc limit 1000`,
  )
  return rows as unknown as PrunePlan['backups']
}

/** Behind a function, as `jobCondition`. */
async function doomed(
  sql: postgres.Sql,
  { filter, keepLast }: PrunePolicy,
  kind: DoomedKind,
  before: string,
): Promise<() => postgres.PendingQuery<postgres.Row[]>> {
  const chosen = await jobCondition(sql, filter)
  if (kind === 'failed') {
    return () => sql`j.status = 'failed' and j.created_at < ${before}::text::timestamptz and ${chosen()}`
  }
  if (kind === 'abandoned') {
    return () => sql`
      j.status in ('pending', 'processing') and j.created_at < ${before}::text::timestamptz
      and not exists (select from job_leases l where l.job_id = j.job_id and l.lease_until > now()) and ${chosen()}`
  }
  // So many newer ones are enough to know; older ones may go in any order without changing the answer.
  const kept =
    keepLast === undefined
      ? sql``
      : sql`and ${keepLast} <= (select count(*) from (
          select 1 from image_process_jobs n where n.user_id = j.user_id and n.status = 'completed'
            and (n.created_at, n.job_id) > (j.created_at, j.job_id) limit ${keepLast}) newer)`
  return () =>
    sql`j.status = 'completed' and j.completed_at < ${before}::text::timestamptz and ${chosen()} ${kept}`
}

/**
 * Turns the oldest jobs of a plan into tombstones: row and tombstone change places in one statement, so that at no
 * moment an object is without either. Jobs that somebody is working on at this moment are left out.
 *
 * @param after where the batch before ended; jobs before that are known to be done with
 * @returns how many, and where they ended; none are left when `end` is undefined
 */
export async function entombJobs(
  sql: postgres.Sql,
  policy: PrunePolicy,
  { kind, before, after, limit, kept }: EntombOptions,
): Promise<{ jobs: number; bytes: number; end: string | undefined }> {
  const condition = await doomed(sql, policy, kind, before)
  const age = kind === 'completed' ? sql`completed_at` : sql`created_at`
  // A job that has not ended may be claimed at this moment: claim_job() takes the same lock, and counts attempts.
  const unclaimed =
    kind === 'completed'
      ? sql`true`
      : sql`(d.content is null or pg_try_advisory_xact_lock(hashtextextended(d.content, 0)))`
  const [row] = await withDatabase(
    () => sql`
      with due as materialized (
        select j.job_id, j.status, j.attempt, j.${age} as age,
          encode(j.content_sha256, 'hex') || encode(j.fingerprint, 'hex') as content
        from image_process_jobs j
        where ${condition()} and j.${age} >= ${after ?? '-infinity'}::text::timestamptz
        order by j.${age} limit ${limit}
      ), free as materialized (
        select * from due d where ${unclaimed}
      ), gone as (
        delete from image_process_jobs j using free
        where j.job_id = free.job_id and j.status = free.status and j.attempt = free.attempt
        returning j.job_id, j.status, j.original_path, j.mask_path, j.processed_path, ${storedBytes(sql)} as bytes
      ), dead as (
        insert into tombstones (job_id, keys, bytes, kept)
        select job_id,
          case when status = 'completed' then jsonb_build_array(original_path, mask_path, processed_path) end,
          bytes, ${kept}
        from gone
      )
      select (select count(*) from gone)::float8 as jobs, (select coalesce(sum(bytes), 0) from gone)::float8 as bytes,
        (select ${utc(sql, sql`max(age)`)} from due having count(*) = ${limit}) as end`,
  )
  return { jobs: row!.jobs, bytes: row!.bytes, end: row!.end ?? undefined }
}

export interface EntombOptions {
  kind: DoomedKind
  before: string
  after: string | undefined
  limit: number
  /** The objects stay: the tombstones are all that will be known of them. */
  kept: boolean
}

export interface Tombstone {
  jobId: string
  /** Null: whatever lies under the id. */
  keys: string[] | null
  bytes: number
}

/** Tombstones whose objects are to be deleted, oldest first. */
export async function dueTombstones(sql: postgres.Sql, limit: number): Promise<Tombstone[]> {
  return withDatabase<Tombstone>(
    () => sql`
      select job_id as "jobId", keys, bytes::float8 as bytes from tombstones where not kept
      order by created_at, job_id limit ${limit}`,
  )
}

/** Call it only after the store acknowledged that the objects are gone. */
export async function removeTombstones(sql: postgres.Sql, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return
  await withDatabase(() => sql`delete from tombstones where job_id in ${sql(jobIds)}`)
}
