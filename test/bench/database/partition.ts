/** What a log in months costs: the conversion, a month's prune, and look-ups across sixty months. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type postgres from 'postgres'
import { connectServer } from '../../../src/database/connect.ts'
import { dueMonths, retireMonth, settleGoneMonth } from '../../../src/database/gone-months.ts'
import { applyMigrations } from '../../../src/database/migrate.ts'
import { partitionLog } from '../../../src/database/partition-log.ts'
import { isPartitioned } from '../../../src/database/partitions.ts'
import { findJobPage, findJobs } from '../../../src/database/query.ts'
import { foldUsage } from '../../../src/database/usage.ts'
import { directoryStore } from '../../../src/store/directory.ts'
import { planPrune } from '../../../src/upkeep/prune.ts'
import { insertJobs, insertUsers } from './fill.ts'

const months = 60
const days = months * 30.4

export interface PartitionBench {
  step: string
  ms: number
}

/** @param url of an empty database, or of one that this bench has filled: then it measures what comes after that */
export async function timePartition(
  url: string,
  rows: number,
  tell: (what: string) => void,
): Promise<PartitionBench[]> {
  const database = connectServer(url, { maxConnections: 2 })
  const { sql } = database
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-bench-'))
  const done: PartitionBench[] = []
  const time = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const result = await work()
    done.push({ step, ms: performance.now() - startedAt })
    tell(`${step}: ${done.at(-1)?.ms.toFixed(1)} ms`)
    return result
  }
  try {
    await applyMigrations(database)
    if (!(await isPartitioned(sql))) {
      await fillLog(sql, rows, tell)
      const { lockedMs, noted } = await time('conversion, all of it', () => partitionLog(database))
      done.push({ step: 'conversion, exclusive lock', ms: lockedMs ?? 0 })
      tell(`locked for ${lockedMs} ms, noted ${noted}`)
      await spread(sql, tell)
    }
    await timeLookUps(sql, time)
    await timeMonth(database, folder, time)
    return done
  } finally {
    await database.close()
    await rm(folder, { recursive: true })
  }
}

type Time = <T>(step: string, work: () => Promise<T>) => Promise<T>

/** Jobs of five years; indexes are built behind them. */
async function fillLog(sql: postgres.Sql, rows: number, tell: (what: string) => void): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = 'image_process_jobs'::regclass and not indisunique`
  for (const { name } of indexes) await sql`drop index ${sql(name)}`
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`
    await transaction`select setseed(0.5)`
    const own = transaction as unknown as postgres.Sql
    await insertUsers(own)
    for (let from = 0; from < rows; from += 250_000) {
      await insertJobs(own, from, Math.min(250_000, rows - from), { rows, days })
      tell(`${Math.min(from + 250_000, rows)} of ${rows} jobs`)
    }
    await transaction`
      insert into image_tags (job_id, tag_id)
      select job_id, 1 + floor(500 * power(random(), 5))::int from image_process_jobs where status = 'completed'`
  })
  for (const { definition } of indexes) await sql.unsafe(definition)
  await countUsage(sql)
  await sql`vacuum (analyze) image_process_jobs`
  await sql`vacuum (analyze) image_tags`
  tell('indexes, statistics')
}

/** The rollup as the jobs would have left it, as far as months need it. */
async function countUsage(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into daily_usage
    select d.dimension, (j.created_at at time zone 'UTC')::date, d.value, count(*) filter (where status = 'completed'),
      count(*) filter (where status = 'failed'), 0, 0, 0, coalesce(sum(original_bytes), 0), coalesce(sum(mask_bytes), 0),
      coalesce(sum(processed_bytes), 0)
    from image_process_jobs j
    cross join lateral (values ('all', ''), ('user', j.user_id), ('model', model_name(j.params))) d (dimension, value)
    group by 1, 2, 3`
}

/** Five years of months, where the conversion has left one partition: as if it had been made five years ago. */
async function spread(sql: postgres.Sql, tell: (what: string) => void): Promise<void> {
  const tables = ['image_process_jobs', 'image_tags']
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`
    for (const table of tables)
      await transaction.unsafe(`alter table ${table} detach partition ${table}_past`)
    await transaction`select make_log_month(utc_month(now(), -n)) from generate_series(0, ${months}) n order by n`
    for (const table of tables) await transaction.unsafe(`insert into ${table} select * from ${table}_past`)
    // Tags refer to jobs.
    for (const table of tables.toReversed()) await transaction.unsafe(`drop table ${table}_past`)
  })
  for (const table of tables) await sql.unsafe(`vacuum (analyze) ${table}`)
  tell(`spread over ${months} months`)
}

const rounds = 21

async function timeLookUps(sql: postgres.Sql, time: Time): Promise<void> {
  const [job] = await sql<{ id: string; user: string; content: Buffer }[]>`
    select job_id as id, user_id as user, content_sha256 as content from image_process_jobs
    where status = 'completed' and user_id = 'user-7' order by created_at offset 20 limit 1`
  if (!job) throw new Error('The log is empty')
  const median = async (step: string, ask: () => Promise<unknown>) => {
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const startedAt = performance.now()
      await ask()
      times.push(performance.now() - startedAt)
    }
    const ms = times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0
    await time(`${step}: median of ${rounds} is ${ms.toFixed(2)}`, async () => {})
  }
  await median('by id', () => findJobs(sql, [job.id]))
  await median("a user's newest page", () => findJobPage(sql, { user: job.user }, { limit: 20 }))
  await median("a rare user's page", () => findJobPage(sql, { user: 'user-4999' }, { limit: 20 }))
  await median("a user's last 30 days", () =>
    findJobPage(sql, { user: job.user, since: { ago: '30 days' } }, { limit: 20 }),
  )
  await median('newest page', () => findJobPage(sql, {}, { limit: 20 }))
  await median('newest failed', () => findJobPage(sql, { statuses: ['failed'] }, { limit: 20 }))
  await median('by content', () => sql`select job_id from jobs_of_content(${job.content})`)
}

async function timeMonth(
  database: ReturnType<typeof connectServer>,
  folder: string,
  time: Time,
): Promise<void> {
  const { sql } = database
  const policy = { olderThan: { completed: '57 months' }, keepLast: undefined, filter: {} }
  const store = directoryStore(folder)
  const options = { policy, maxShare: 100, keepObjects: false, versions: false }
  const plan = await time('prune: plan', () => planPrune({ database, store: async () => store }, options))
  const month = plan.figures.months[0]?.month ?? ''
  await plan.close()
  const before = plan.figures.before
  const due = await dueMonths(sql, policy, before, false)
  const rows = due?.months.find((each) => each.month === month)?.rows.completed
  const lock = await database.lock('prune')
  const gone = await time(`prune: ${rows} jobs of ${month} leave the log`, () =>
    retireMonth(sql, { month, before, most: null, lockId: lock.id }),
  )
  if (typeof gone !== 'object') throw new Error('The month is not due')
  await time('prune: statistics of the month', async () => {
    await settleGoneMonth(sql, gone.gone)
    await foldUsage(sql)
  })
  await lock.release()
  const rest = await planPrune({ database, store: async () => store }, options)
  await time(`prune: ${rest.figures.months.length} more months, objects and keys of all`, () =>
    rest.execute({ rate: 1e9, signal: new AbortController().signal, onJobs: () => {} }),
  )
  await rest.close()
}
