/** Jobs that are versions of one cut-out: what was done again in a review. One of them counts. */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { gathered } from './gather.ts'
import { one } from './rows.ts'
import { utc } from './sql-time.ts'
import type { Verdict } from './verdicts.ts'

/** How a version came to be: by a run, with another model or setting, or with a mask mended by hand. */
export type VersionKind = 'run' | 'redo' | 'brush'

export interface Version {
  jobId: string
  isCurrent: boolean
  how: VersionKind
  by: string
  /** ISO 8601, UTC, microseconds. */
  at: string
  model: string | null
}

/** Makes one job the version of another that counts. The other stays, and can be made the one that counts again. */
export async function chooseVersion(
  sql: postgres.Sql,
  { of, jobId, how, by }: { of: string; jobId: string; how: VersionKind; by: string },
): Promise<void> {
  await withDatabase(() => sql`select choose_version(${of}::uuid, ${jobId}::uuid, ${how}, ${by})`)
}

/** All versions of a job's cut-out, the latest first; none where it was never done again. */
export const versionsOf = (sql: postgres.Sql, jobId: string): Promise<Version[]> =>
  withDatabase<Version>(
    () => sql`
      select v.job_id as "jobId", v.is_current as "isCurrent", v.how, v.made_by as by,
        ${utc(sql, sql`v.made_at`)} as at, j.params -> 'model' ->> 'name' as model
      from job_versions v join image_process_jobs j on j.job_id = v.job_id
      where v.family = (select family from job_versions where job_id = ${jobId})
      order by v.made_at desc, v.job_id desc`,
  )

/** The version of a cut-out that counts, as a query over a job that may be in no family. */
export const currentVersion = (sql: postgres.Sql, jobId: postgres.PendingQuery<postgres.Row[]>) => sql`
  (select c.job_id from job_versions o join job_versions c on c.family = o.family and c.is_current
    where o.job_id = ${jobId})`

/** Where another version counts. @param jobId as an expression */
export const isSuperseded = (sql: postgres.Sql, jobId: postgres.PendingQuery<postgres.Row[]>) => sql`
  exists (select from job_versions o join job_versions c on c.family = o.family and c.is_current
    where o.job_id = ${jobId} and not o.is_current)`

/** What people have decided about a job. */
export interface Decision {
  /** The version that counts; the job itself where it was never done again. */
  jobId: string
  /** Of that version. */
  verdict: Verdict
}

/** Whether anything was ever judged or done again: without that, nobody has to ask for each job. */
export async function anyDecisions(sql: postgres.Sql): Promise<boolean> {
  const rows = await withDatabase<{ any: boolean }>(
    () => sql`select exists (select from job_verdicts) or exists (select from job_versions) as any`,
  )
  return one(rows).any
}

/** What people have decided about a job; questions of the same moment travel together. */
export const decisionOn = gathered<string, Decision>(async (sql, jobIds) => {
  const rows = await withDatabase<Decision>(
    () => sql`
      select c.job_id as "jobId", coalesce(v.verdict, 'open') as verdict
      from jsonb_array_elements_text(${sql.json([...jobIds])}) with ordinality as w (job, place)
      cross join lateral (
        select coalesce(${currentVersion(sql, sql`w.job::uuid`)}, w.job::uuid) as job_id
      ) c
      left join job_verdicts v on v.job_id = c.job_id
      order by w.place`,
  )
  return rows
})
