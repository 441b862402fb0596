/** What people say of cut-outs. Every verdict stays; of each job the latest counts. */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'
import { utc } from './sql-time.ts'

/** `open` takes the verdict before it back. */
export const verdicts = ['accepted', 'rejected', 'open'] as const
export type Verdict = (typeof verdicts)[number]

export interface Judgement {
  jobId: string
  verdict: Verdict
  /** Who says so. */
  by: string
  /** ISO 8601; now, by the clock of the database, unless it is given. */
  at?: string | undefined
  /** At most 2000 characters. */
  note?: string | undefined
}

/** A verdict as it is kept. */
export interface KeptVerdict {
  jobId: string
  verdict: Verdict
  by: string
  /** ISO 8601, UTC, microseconds. */
  at: string
  note: string | null
}

/**
 * What became of a verdict: it `stands`; it is `older` than the one that stands, and kept all the same; it was `known`;
 * or the job is `unknown`, because there is no such completed job.
 */
export type JudgementState = 'stands' | 'older' | 'known' | 'unknown'

/** Of one statement. */
const mostAtOnce = 500

/**
 * Keeps verdicts. Of those of one job the latest counts, whatever the order in which they come; none is ever lost.
 *
 * @returns what became of each, in their order
 */
export async function judge(sql: postgres.Sql, judgements: readonly Judgement[]): Promise<JudgementState[]> {
  const states: JudgementState[] = []
  for (let from = 0; from < judgements.length; from += mostAtOnce) {
    const part = judgements.slice(from, from + mostAtOnce)
    const rows = await withDatabase<{ state: JudgementState }>(
      () => sql`
        select state from judge_jobs(${sql.json(part as unknown as postgres.JSONValue)}) order by place`,
    )
    states.push(...rows.map(({ state }) => state))
  }
  return states
}

const columns = (sql: postgres.Sql) => sql`
  v.job_id as "jobId", v.verdict, v.said_by as by, ${utc(sql, sql`v.said_at`)} as at, v.note`

/** All that was ever said of a job, the latest first. */
export const verdictsOf = (sql: postgres.Sql, jobId: string): Promise<KeptVerdict[]> =>
  withDatabase<KeptVerdict>(
    () => sql`
      select ${columns(sql)} from verdicts v where v.job_id = ${jobId}
      order by v.said_at desc, v.verdict_id desc`,
  )

/** What has been said since. */
export interface VerdictNews {
  /** The jobs that something was said of, each with the verdict that stands. */
  verdicts: KeptVerdict[]
  /** To ask for what comes after. */
  last: number
}

/** Ids are given in the order of asking, and seen in that of committing: so the last few are told again. */
const overlap = 50

/**
 * What was said after a verdict, at most of 1000; without one, only the place to go on from.
 *
 * @param after `last` of the answer before
 */
export async function verdictsSince(sql: postgres.Sql, after: number | undefined): Promise<VerdictNews> {
  if (after === undefined) {
    const { last } = one(
      await withDatabase<{ last: number }>(
        () => sql`select coalesce(max(verdict_id), 0)::float8 as last from verdicts`,
      ),
    )
    return { verdicts: [], last }
  }
  const rows = await withDatabase<KeptVerdict & { id: number }>(
    () => sql`
      with news as (select verdict_id, job_id from verdicts where verdict_id > ${after - overlap} order by verdict_id limit 1000)
      select ${columns(sql)}, n.id from (select job_id, max(verdict_id)::float8 as id from news group by job_id) n
      join job_verdicts v on v.job_id = n.job_id`,
  )
  const last = Math.max(after, ...rows.map(({ id }) => id))
  return { verdicts: rows.map(({ id: _, ...verdict }) => verdict), last }
}

/** How many jobs of a period are judged; deleted ones still count. Days, both included. */
export async function verdictCounts(
  sql: postgres.Sql,
  { from, to }: { from: string; to: string },
): Promise<{ accepted: number; rejected: number }> {
  return one(
    await withDatabase<{ accepted: number; rejected: number }>(
      () => sql`
        select coalesce(sum(accepted), 0)::float8 as accepted, coalesce(sum(rejected), 0)::float8 as rejected
        from verdict_counts where stat_date between ${from}::text::date and ${to}::text::date`,
    ),
  )
}
