import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { type JobFilter, jobCondition } from './filters.ts'
import { type IdRange, inRange } from './id-range.ts'
import { keptOriginal } from './kept.ts'
import { fence } from './locks.ts'
import { one } from './rows.ts'
import { hasSharedKey } from './shared-originals.ts'
import { utc } from './sql-time.ts'

/** Jobs by how they ended: each kind has an age and an index of its own. */
export const dueKinds = ['completed', 'failed', 'abandoned'] as const
export type DueKind = (typeof dueKinds)[number]

/** Which jobs are due to be deleted. */
export interface PrunePolicy {
  /** Older than these intervals, by when they were completed or, not being completed, created. */
  olderThan: Partial<Record<DueKind, string>>
  /** Completed jobs that each user keeps whatever their age, newest first. */
  keepLast: number | undefined
  filter: Pick<JobFilter, 'user' | 'tags' | 'exceptTags'>
}

/** The database's clock minus this machine's, in milliseconds. */
export async function clockSkew(sql: postgres.Sql): Promise<number> {
  const askedAt = Date.now()
  const rows = await withDatabase<{ now: number }>(
    () => sql`select extract(epoch from clock_timestamp())::float8 * 1000 as now`,
  )
  return Math.round(one(rows).now - (askedAt + Date.now()) / 2)
}

/** How many jobs there are. */
export interface LogSize {
  jobs: number
  /** The count was given up at a bound, and `jobs` is what the planner's statistics say. */
  isEstimate: boolean
}

/** Counted in some milliseconds: smaller logs are always known exactly. */
const cheapCount = 100_000

/**
 * How large the log is, without counting a large one to its end.
 *
 * @param bound of interest: whether there are more jobs than this is counted, and never estimated
 */
export async function logSize(sql: postgres.Sql, bound: number): Promise<LogSize> {
  // Infinity is no number of rows.
  const most = Math.min(Math.max(Math.floor(bound), cheapCount) + 1, Number.MAX_SAFE_INTEGER)
  const { ended, open, estimated } = one(
    await withDatabase<{ ended: number; open: number; estimated: number }>(
      // As the planner: the rows per page of the last vacuum or analyze, times the pages there are now.
      () => sql`
        select (select count(*) from (select from image_process_jobs limit ${most}) jobs)::float8 as ended,
          (select count(*) from open_jobs o
            where not exists (select from image_process_jobs j where j.job_id = o.job_id))::float8 as open,
          coalesce((
            select sum(reltuples / nullif(relpages, 0) * pg_relation_size(c.oid) / current_setting('block_size')::integer)
            from pg_class c where c.relkind = 'r' and (c.oid = 'image_process_jobs'::regclass
              or c.oid in (select inhrelid from pg_inherits where inhparent = 'image_process_jobs'::regclass))
          ), 0)::float8 as estimated`,
    ),
  )
  if (ended < most) return { jobs: ended + open, isEstimate: false }
  return { jobs: Math.max(Math.round(estimated), ended) + open, isEstimate: true }
}

/** How many deleted jobs wait for their objects to be deleted. */
export async function countDueTombstones(sql: postgres.Sql): Promise<number> {
  const rows = await withDatabase<{ due: number }>(
    () => sql`
      select (select count(*) from tombstones where not kept)::float8
        + (select coalesce(sum(rows - done_rows), 0) from gone_months)::float8 as due`,
  )
  return one(rows).due
}

export interface DueJob {
  jobId: string
  createdAt: string
  /** Of its stored objects, as far as the log knows them. */
  bytes: number
}

/** Jobs read at once: a server before 13 sorts what is left anew for every page. */
const pageJobs = 20_000

/**
 * The jobs of one kind that a policy is about, oldest first; flat memory.
 *
 * @param of.within one month of a log in months
 */
export async function* dueJobs(
  sql: postgres.Sql,
  policy: PrunePolicy,
  { kind, before, within }: { kind: DueKind; before: string; within?: IdRange | undefined },
): AsyncGenerator<DueJob> {
  const condition = await isOldAndChosen(sql, policy, kind, before)
  const isPastNewest = kind === 'completed' ? pastNewest(sql, policy.keepLast) : allArePast
  const age = kind === 'completed' ? sql`j.completed_at` : sql`j.created_at`
  const notDue = () => sql`not (${condition()})`
  const ofMonth = () => (within ? sql`and ${inRange(sql, within)}` : sql``)
  let after = { age: '-infinity', jobId: '00000000-0000-0000-0000-000000000000' }
  for (;;) {
    const page = await withDatabase<DueJob & { age: string; userId: string }>(
      () => sql`
        select j.job_id as "jobId", j.user_id as "userId", ${utc(sql, sql`j.created_at`)} as "createdAt",
          ${utc(sql, age)} as age, (${storedBytes(sql)} - ${staying(sql, notDue())})::float8 as bytes
        from ${jobsOfKind(sql, kind)} j
        where ${condition()} ${ofMonth()} and (${age}, j.job_id) > (${after.age}::text::timestamptz, ${after.jobId}::uuid)
        order by ${age}, j.job_id limit ${pageJobs}`,
    )
    const isPast = await isPastNewest(page)
    for (const job of page) {
      const { jobId, createdAt, bytes } = job
      if (isPast(job)) yield { jobId, createdAt, bytes }
    }
    const last = page.at(-1)
    if (!last || page.length < pageJobs) return
    after = last
  }
}

const jobsOfKind = (sql: postgres.Sql, kind: DueKind) =>
  kind === 'abandoned' ? sql`open_job_rows` : sql`image_process_jobs`

type OwnedJob = Pick<DueJob, 'jobId' | 'createdAt'> & { userId: string }

/** Which jobs of a page are older than those that their users keep. */
type IsPastNewest = (page: readonly OwnedJob[]) => Promise<(job: OwnedJob) => boolean>

const allArePast: IsPastNewest = async () => () => true

/** Users whose oldest kept job is remembered at once; some hundred bytes each. */
const rememberedUsers = 100_000

/**
 * Each user is looked up once, with the first page that has a job of theirs: one walk over as many entries of an index
 * as they keep. A count per job would walk over them for every job, and would take hours for a million.
 */
function pastNewest(sql: postgres.Sql, keepLast: number | undefined): IsPastNewest {
  if (keepLast === undefined) return allArePast
  let oldestKept = new Map<string, string | null>()
  return async (page) => {
    const users = new Set(page.map(({ userId }) => userId))
    if (oldestKept.size > rememberedUsers) oldestKept = new Map()
    const unknown = [...users].filter((user) => !oldestKept.has(user))
    if (unknown.length > 0) {
      const rows = await withDatabase<{ userId: string; oldest: string | null }>(
        () => sql`
          select u.user_id as "userId", ${utc(sql, sql`n.created_at`)} || n.job_id as oldest
          from (select jsonb_array_elements_text(${sql.json(unknown)}) as user_id) u
          left join lateral (${oldestKeptOf(sql, sql`u.user_id`, keepLast)}) n on true`,
      )
      for (const { userId, oldest } of rows) oldestKept.set(userId, oldest)
    }
    return ({ userId, createdAt, jobId }) => {
      const oldest = oldestKept.get(userId) ?? null
      // Both are of one length, so their order is that of the text.
      return oldest !== null && createdAt + jobId < oldest
    }
  }
}

/**
 * The oldest of the completed jobs that a user keeps; nothing where they have no more than those. Most users have not,
 * which an index alone can tell. Written so that the planner does not fetch all completed jobs of everybody: the order
 * is that of an index by user.
 */
const oldestKeptOf = (
  sql: postgres.Sql,
  user: postgres.PendingQuery<postgres.Row[]>,
  keepLast: number,
) => sql`
  select n.created_at, n.job_id from image_process_jobs n
  where n.user_id = ${user} and (n.status = 'completed') is true
    and exists (select from image_process_jobs m where m.user_id = ${user}
      order by m.created_at desc, m.job_id desc offset ${keepLast} limit 1)
  order by n.created_at desc, n.job_id desc offset ${keepLast - 1} limit 1`

/** An original that several jobs share counts for one of them. */
const storedBytes = (sql: postgres.Sql) => sql`
  case when 'original' = any (j.kept) and not j.original_shared then coalesce(j.original_bytes, j.source_size, 0) else 0 end
  + case when 'mask' = any (j.kept) then coalesce(j.mask_bytes, 0) else 0 end
  + case when 'processed' = any (j.kept) then coalesce(j.processed_bytes, 0) else 0 end`

/**
 * Bytes of an original that goes on being counted, for another job that shares it and stays.
 *
 * @param stays whether that job, called `j` too, is not deleted
 */
const staying = (sql: postgres.Sql, stays: postgres.PendingQuery<postgres.Row[]>) => sql`
  case when j.status = 'completed' and 'original' = any (j.kept) and not j.original_shared
    -- Asked first, because it is next to nothing: most originals are named by the job under whose id they are alone.
    and (${hasSharedKey(sql, sql`j`)} or exists (
      select from image_process_jobs s where s.original_path collate "C" = j.original_path and ${hasSharedKey(sql, sql`s`)}))
    and exists (
      select from (select j.content_sha256 as content, j.original_path as key) original
      cross join lateral jobs_of_content(original.content) j
      where j.original_path = original.key and j.status = 'completed' and j.original_shared and ${stays}
  ) then coalesce(j.original_bytes, 0) else 0 end`

export interface LaterBackup {
  backupId: string
  location: string
  createdAt: string
  withObjects: boolean
}

/** Retained backups, newest first: each holds the jobs that were there when it was taken. */
export async function backupsSince(sql: postgres.Sql, oldest: string): Promise<LaterBackup[]> {
  return withDatabase<LaterBackup>(
    () => sql`
      select backup_id as "backupId", location, ${utc(sql, sql`created_at`)} as "createdAt",
        with_objects as "withObjects"
      from backups where removed_at is null and created_at >= ${oldest}::text::timestamptz
      order by backups.created_at desc limit 1000`,
  )
}

/** All conditions but `keepLast`. Behind a function, as `jobCondition`. */
async function isOldAndChosen(
  sql: postgres.Sql,
  { filter }: PrunePolicy,
  kind: DueKind,
  before: string,
): Promise<() => postgres.PendingQuery<postgres.Row[]>> {
  const chosen = await jobCondition(sql, filter)
  switch (kind) {
    case 'completed':
      return () =>
        sql`j.status = 'completed' and j.completed_at < ${before}::text::timestamptz and ${chosen('ended')}`
    case 'failed':
      return () =>
        sql`j.status = 'failed' and j.created_at < ${before}::text::timestamptz and ${chosen('ended')}`
    case 'abandoned':
      return () => sql`
        j.created_at < ${before}::text::timestamptz
        and not exists (select from open_jobs o where o.job_id = j.job_id and o.lease_until > now())
        and ${chosen('open')}`
  }
}

export interface RetireOptions {
  kind: DueKind
  /** As they were planned. */
  before: string
  jobIds: readonly string[]
  /** The objects stay: the tombstones are all that will be known of them. */
  kept: boolean
  /** Of the lock for `prune`. */
  lockId?: string | undefined
}

/**
 * Turns jobs into tombstones: row and tombstone change places in one statement, so that at no moment an object is
 * without either. Jobs that are not due any more, and those that somebody is working on at this moment, are left out.
 *
 * @returns how many, and the bytes of their objects; undefined, and nothing is done, where the lock was lost
 */
export async function retireJobs(
  sql: postgres.Sql,
  policy: PrunePolicy,
  { kind, before, jobIds, kept, lockId }: RetireOptions,
): Promise<{ jobs: number; bytes: number } | undefined> {
  if (jobIds.length === 0) return { jobs: 0, bytes: 0 }
  const condition = await isOldAndChosen(sql, policy, kind, before)
  const { keepLast } = policy
  // Once for each user of the batch.
  const isPastNewest =
    kind !== 'completed' || keepLast === undefined
      ? sql`true`
      : sql`(old.created_at, old.job_id) < (select n.created_at, n.job_id from newest n where n.user_id = old.user_id)`
  const newest =
    kind !== 'completed' || keepLast === undefined
      ? sql``
      : sql`newest as materialized (
          select u.user_id, n.created_at, n.job_id from (select distinct user_id from old) u
          cross join lateral (${oldestKeptOf(sql, sql`u.user_id`, keepLast)}) n
        ),`
  // A job that has not ended may be claimed at this moment: claim_job() takes the same lock, and counts attempts.
  const unclaimed =
    kind === 'completed'
      ? sql`true`
      : sql`(d.content is null or pg_try_advisory_xact_lock(hashtextextended(d.content, 0)))`
  const rows = await withDatabase<{ jobs: number; bytes: number; isHeld: boolean }>(
    () => sql`
      with fence as materialized (
        ${fence(sql, lockId)}
      ), old as materialized (
        select j.job_id, j.user_id, j.created_at, j.status, j.attempt,
          encode(j.content_sha256, 'hex') || encode(j.fingerprint, 'hex') as content
        from ${jobsOfKind(sql, kind)} j
        where exists (select from fence) and j.job_id in ${sql(jobIds)} and ${condition()}
      ), ${newest} due as materialized (
        select * from old where ${isPastNewest}
      ), free as materialized (
        select * from due d where ${unclaimed}
      ), ${kind === 'abandoned' ? deleteOpen(sql) : deleteEnded(sql)}, dead as (
        insert into tombstones (job_id, keys, shared_key, bytes, kept)
        select job_id,
          case when status = 'completed' and attempt = 1
            then to_jsonb(array_remove(array[
              ${keptOriginal(sql, sql`gone`)}, mask_path, processed_path], null)) end,
          case when ${hasSharedKey(sql, sql`gone`)} then ${keptOriginal(sql, sql`gone`)} end, bytes, ${kept}
        from gone
      )
      select (select count(*) from gone)::float8 as jobs, (select coalesce(sum(bytes), 0) from gone)::float8 as bytes,
        exists (select from fence) as "isHeld"`,
  )
  const { isHeld, ...retired } = one(rows)
  return isHeld ? retired : undefined
}

/** As `gone`, of those that are `free`. A claim that came in between has counted one more attempt. */
const deleteEnded = (sql: postgres.Sql) => sql`
  gone as (
    delete from image_process_jobs j using free
    where j.job_id = free.job_id and j.status = free.status and j.attempt = free.attempt
    returning j.job_id, j.status, j.attempt, j.kept, j.original_path, j.mask_path, j.processed_path,
      ${storedBytes(sql)} - ${staying(sql, sql`j.job_id not in (select f.job_id from free f)`)} as bytes
  )`

/** The same of jobs that have not ended; one that failed before is in the log as well. */
const deleteOpen = (sql: postgres.Sql) => sql`
  open as (
    delete from open_jobs o using free
    where o.job_id = free.job_id and o.attempt = free.attempt and (o.lease_until > now()) is not true
    returning o.job_id, o.attempt, o.original_path, coalesce(o.source_size, 0) as bytes
  ), ended as (
    delete from image_process_jobs j using open where j.job_id = open.job_id
    returning j.job_id, j.kept, j.original_path
  ), gone as (
    select open.job_id, 'pending' as status, open.attempt, ended.kept,
      coalesce(ended.original_path, open.original_path) as original_path, null::text as mask_path,
      null::text as processed_path, open.bytes
    from open left join ended on ended.job_id = open.job_id
  )`

export interface Tombstone {
  jobId: string
  /** Null: whatever lies under the id, since other attempts may have left more than the job named. */
  keys: string[] | null
  /** An original under the id of another job, which others may need still; null where there is none. */
  sharedKey: string | null
  bytes: number
}

/** Tombstones whose objects are to be deleted, oldest first. */
export async function dueTombstones(sql: postgres.Sql, limit: number): Promise<Tombstone[]> {
  return withDatabase<Tombstone>(
    () => sql`
      select job_id as "jobId", keys, shared_key as "sharedKey", bytes::float8 as bytes from tombstones where not kept
      order by created_at, job_id limit ${limit}`,
  )
}

/** Call it only after the store acknowledged that the objects are gone. */
export async function removeTombstones(sql: postgres.Sql, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return
  await withDatabase(() => sql`delete from tombstones where job_id in ${sql(jobIds)}`)
}
