/** What one job costs the server: WAL, CPU time, round trips and bytes, by the program's own claims and completions. */
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { connectServer } from '../../../src/database/connect.ts'
import { findCompletedBySource } from '../../../src/database/jobs.ts'
import { foldUsage } from '../../../src/database/usage.ts'
import { upsertUser } from '../../../src/database/users.ts'
import { take } from '../../../src/process/take.ts'
import { processOwner } from '../../../src/system/owner.ts'
import { newImage, processImage } from './work.ts'

export interface Cost {
  jobs: number
  /** Images in work at once. */
  atOnce: number
  /** All of it, a job. */
  walBytes: number
  /** The part of it that is whole pages, the first time each is changed after a checkpoint; null before PostgreSQL 14. */
  walPages: number | null
  /** Of the whole server, in milliseconds a job; null when it runs on another machine. */
  cpuMs: number | null
  roundTrips: number
  jobsPerSecond: number
  /** Tables and indexes, over all jobs that there are. */
  storedBytes: number
  /** What the tables and indexes grew by, a job of this run. */
  grownBytes: number
}

export interface CostOptions {
  jobs: number
  atOnce: number
}

/** Jobs between two users: a run has one. */
const jobsOfRun = 1000

/**
 * Starts behind a checkpoint and makes none, so that each page that is touched is logged whole once: the more jobs
 * there are between two checkpoints, the less that is a job.
 *
 * @param url of a filled database on a server that nobody else uses, as a superuser
 */
export async function measureCost(url: string, { jobs, atOnce }: CostOptions): Promise<Cost> {
  const watcher = connectServer(url, { maxConnections: 1 })
  try {
    await watcher.sql`checkpoint`
    const before = await readings(watcher.sql)
    const startedAt = performance.now()
    const roundTrips = await run(url, { jobs, atOnce })
    const seconds = (performance.now() - startedAt) / 1000
    const after = await readings(watcher.sql)
    const each = (reading: (of: Readings) => number) => (reading(after) - reading(before)) / jobs
    return {
      ...{ jobs, atOnce, roundTrips: roundTrips / jobs, jobsPerSecond: jobs / seconds },
      walBytes: each(({ walBytes }) => walBytes),
      walPages: after.walPages === null ? null : each(({ walPages }) => walPages ?? 0),
      cpuMs: after.cpuMs === null ? null : each(({ cpuMs }) => cpuMs ?? 0),
      storedBytes: after.bytes / after.jobs,
      grownBytes: each(({ bytes }) => bytes),
    }
  } finally {
    await watcher.close()
  }
}

/** @returns how often the server was asked something */
async function run(url: string, { jobs, atOnce }: CostOptions): Promise<number> {
  const { sql, close } = connectServer(url)
  let asked = 0
  sql.options.debug = () => void asked++
  try {
    for (let done = 0; done < jobs; done += jobsOfRun) {
      const user = `user-${(done / jobsOfRun) % 20}`
      const run = { id: uuidv7(), owner: processOwner(), leaseMs: 60_000 }
      await upsertUser(sql, user)
      const images = Array.from({ length: Math.min(jobsOfRun, jobs - done) }, (_, number) =>
        newImage(done + number, run, user),
      )
      for (let from = 0; from < images.length; from += 500) {
        const chunk = images.slice(from, from + 500)
        const sources = chunk.map(({ source }) => source)
        await findCompletedBySource(sql, chunk[0]!, sources)
        const signal = new AbortController().signal
        await take(chunk, { concurrency: atOnce, signal }, (image) => processImage(sql, image))
      }
      await foldUsage(sql)
    }
  } finally {
    await close()
  }
  return asked
}

interface Readings {
  walBytes: number
  walPages: number | null
  cpuMs: number | null
  bytes: number
  jobs: number
}

async function readings(sql: postgres.Sql): Promise<Readings> {
  // One that is just ending is neither among the living nor yet among the ended.
  while ((await sql`select from pg_stat_activity where backend_type = 'client backend'`).length > 1)
    await sleep(20)
  await sleep(200) // the postmaster takes up their time
  const [row] = await sql`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as "walBytes",
      current_setting('server_version_num')::int >= 140000 as "countsPages",
      (select sum(pg_total_relation_size(name::regclass)) from unnest(array['image_process_jobs', 'known_sources',
        'open_jobs', 'usage_changes', 'daily_usage', 'daily_latency']) name)::float8 as bytes,
      (select count(*) from image_process_jobs)::float8 as jobs,
      (select pid from pg_stat_activity where backend_type = 'checkpointer') as checkpointer`
  const { walBytes, countsPages, bytes, jobs, checkpointer } = row!
  const [wal] = countsPages ? await sql`select wal_fpi::float8 as pages from pg_stat_wal` : []
  return { walBytes, bytes, jobs, walPages: wal?.pages ?? null, cpuMs: await cpuOfServer(checkpointer) }
}

/** The postmaster with all it has started, living or ended; a tick of the kernel is 10 ms. */
async function cpuOfServer(checkpointer: number): Promise<number | null> {
  const stat = async (pid: string | number): Promise<string[]> => {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    return text.includes('(postgres)') ? text.slice(text.lastIndexOf(')') + 2).split(' ') : []
  }
  const [, postmaster] = await stat(checkpointer)
  if (postmaster === undefined) return null
  const spent = (fields: string[], from: number, to: number) =>
    fields.slice(from, to).reduce((sum, ticks) => sum + Number(ticks), 0)
  // Fields 14 to 17 of the manual: its own time in user and system mode, then that of its ended children.
  let ticks = spent(await stat(postmaster), 11, 15)
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const fields = await stat(pid)
    if (fields[1] === postmaster) ticks += spent(fields, 11, 13)
  }
  return ticks * 10
}
