/**
 * npm run bench:fleet [-- --images 2000 --keys 1000000]: what a fleet costs and reaches, on a PostgreSQL of its own. Needs
 * the build, and a Node that pg-boss runs on (RMBG_TEST_NODES, or the one that runs this). Prints a table; load included.
 */
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import sharp from 'sharp'
import { connectServer } from '../../../src/database/connect.ts'
import { applyMigrations } from '../../../src/database/migrate.ts'
import { startCluster } from '../../faults/cluster.ts'

const { values } = parseArgs({
  options: { images: { type: 'string', default: '1000' }, keys: { type: 'string', default: '1000000' } },
})
const [images, keys] = [Number(values.images), Number(values.keys)]
const node = (process.env.RMBG_TEST_NODES ?? process.execPath).split(' ')[0] as string
const program = join(import.meta.dirname, '../../fleet/program.mjs')
const command = join(import.meta.dirname, '../../../bin/run.js')
const figures: [string, string][] = []
const report = (what: string, figure: string) => {
  figures.push([what, figure])
  console.error(`${what}: ${figure}  (load ${loadavg()[0]?.toFixed(1)})`)
}

const folder = await mkdtemp(join(tmpdir(), 'rmbg-fleet-'))
const cluster = await startCluster({ track_functions: 'pl', shared_buffers: '256MB', max_wal_size: '4GB' })
/** A migrated database of its own. */
async function freshDatabase(name: string): Promise<{ url: string; sql: postgres.Sql }> {
  const admin = postgres(cluster.urlOf('postgres', 'postgres'), { max: 1, onnotice: () => {} })
  await admin`create database ${admin(name)}`
  await admin.end()
  const url = cluster.urlOf('postgres', name)
  const database = connectServer(url)
  await applyMigrations(database)
  await database.close()
  return { url, sql: postgres(url, { max: 1, onnotice: () => {} }) }
}

async function photos(name: string, count: number): Promise<string> {
  const path = join(folder, name)
  await mkdir(path)
  for (let index = 0; index < count; index++) {
    const background = { r: index % 250, g: (index >> 2) % 250, b: (index * 7) % 250 }
    const picture = sharp({ create: { width: 16, height: 16, channels: 3, background } })
    await picture
      .png({ compressionLevel: 1 })
      .withExif({ IFD0: { Copyright: String(index) } })
      .toFile(join(path, `${index}.png`))
  }
  return path
}

const start = (given: object, env: Record<string, string> = {}) =>
  new Promise<{ last: Record<string, number>; seconds: number }>((resolve) => {
    const startedAt = performance.now()
    const child = execFile(
      node,
      [program, JSON.stringify(given)],
      { maxBuffer: 2 ** 30, env: { ...process.env, ...env } },
      (error, out, err) => {
        if (error && !error.killed) console.error(err)
        const last = JSON.parse(out.trim().split('\n').at(-1) || '{}')
        resolve({ last, seconds: (performance.now() - startedAt) / 1000 })
      },
    )
    if ('kill' in given) setTimeout(() => child.kill('SIGKILL'), given.kill as number)
  })

/** CPU of all server processes so far, in seconds. */
async function serverCpu(): Promise<number> {
  const rows = postgres(cluster.urlOf('postgres', 'postgres'), { max: 1 })
  const [row] = await rows`select pg_backend_pid() as pid`
  const parent = Number((await readFile(`/proc/${row?.pid}/stat`, 'utf8')).split(' ')[3])
  let ticks = 0
  for (const pid of await readdir('/proc')) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    if (Number(pid) === parent)
      ticks += (fields[11] ?? 0) + (fields[12] ?? 0) + (fields[13] ?? 0) + (fields[14] ?? 0)
    else if (fields[1] === parent) ticks += (fields[11] ?? 0) + (fields[12] ?? 0)
  }
  await rows.end()
  return ticks / 100
}

/** Images a second with 20 ms of work each, one at a time in each worker; reads and claims an image. */
async function throughput(): Promise<void> {
  const rates: number[] = []
  for (const workers of [1, 8]) {
    const { url, sql } = await freshDatabase(`bench${workers}`)
    const count = workers === 1 ? Math.ceil(images / 3) : images
    const shared = { url, store: join(folder, `store${workers}`), name: 'bench' }
    await start({ ...shared, do: 'enqueue', inputs: [await photos(`photos${workers}`, count)], shard: 10 })
    await Promise.all(
      Array.from({ length: workers }, () =>
        start({ ...shared, do: 'work', modelMs: 20, concurrency: 1, connections: 3 }),
      ),
    )
    const [done] = await sql`
      select count(*)::int as jobs, extract(epoch from max(completed_at) - min(created_at))::float8 as seconds
      from image_process_jobs where status = 'completed'`
    const [claims] = await sql`
      select coalesce(sum(calls), 0)::int as calls from pg_stat_user_functions where funcname = 'claim_job'`
    await sql.end()
    rates.push((done?.jobs - 1) / done?.seconds)
    report(
      `${workers} workers, ${count} images, 20 ms of work`,
      `${rates.at(-1)?.toFixed(0)} images/s, ${done?.jobs} done`,
    )
    report(`${workers} workers: reads and claims an image`, (claims?.calls / count).toFixed(3))
  }
  report('8 workers over 1', `${((rates[1] ?? 0) / (rates[0] ?? 1)).toFixed(1)} x`)
}

/** Keys from a manifest into the queue by the command itself, and out of it again. */
async function manyKeys(): Promise<void> {
  const { url, sql } = await freshDatabase('keys')
  const manifest = join(folder, 'keys.ndjson')
  const file = createWriteStream(manifest)
  for (let key = 0; key < keys; key++) {
    const line = `{"url":"s3://bucket/photos/2026/${String(key).padStart(10, '0')}.jpg","etag":"\\"${key.toString(16).padStart(32, '0')}\\"","size":${100_000 + key}}\n`
    if (!file.write(line)) await new Promise<void>((resolve) => file.once('drain', () => resolve()))
  }
  await new Promise<void>((resolve) => file.end(() => resolve()))
  const [before] = await sql`select pg_current_wal_lsn() as lsn`
  const cpuBefore = await serverCpu()
  const startedAt = performance.now()
  const peak = await peakOf([command, 'enqueue', '--manifest', manifest, '--name', 'bench', '--json'], {
    ...{ DATABASE_URL: url, RMBG_HOME: join(folder, 'home') },
  })
  const seconds = (performance.now() - startedAt) / 1000
  const [middle] =
    await sql`select pg_current_wal_lsn() - ${before?.lsn}::pg_lsn as wal, pg_current_wal_lsn() as lsn`
  const cpuMiddle = await serverCpu()
  report(
    `enqueue of ${keys} keys from a manifest`,
    `${(keys / seconds).toFixed(0)} keys/s, ${(peak / 2 ** 20).toFixed(0)} MiB at most`,
  )
  const drained = await start({ url, do: 'drain', name: 'bench', store: folder })
  const [after] = await sql`select pg_current_wal_lsn() - ${middle?.lsn}::pg_lsn as wal`
  const cpuAfter = await serverCpu()
  report(
    'queue: WAL an image, in and out',
    `${(Number(middle?.wal) / keys).toFixed(0)} + ${(Number(after?.wal) / keys).toFixed(0)} B`,
  )
  report(
    'queue: server CPU an image, in and out',
    `${(((cpuMiddle - cpuBefore) / keys) * 1e6).toFixed(0)} + ${(((cpuAfter - cpuMiddle) / keys) * 1e6).toFixed(0)} us`,
  )
  const [counted] = await sql`select sum(skipped)::int as images from campaign_progress`
  report(
    'keys taken out and counted',
    `${counted?.images} in ${drained.seconds.toFixed(0)} s, ${((drained.last.rss ?? 0) / 2 ** 20).toFixed(0)} MiB`,
  )
  await sql.end()
}

/** Peak memory of a program, in bytes. */
const peakOf = (args: string[], env: Record<string, string>) =>
  new Promise<number>((resolve, reject) => {
    let peak = 0
    const child = execFile(node, args, { env: { ...process.env, ...env } }, (error, _, err) => {
      clearInterval(look)
      if (error) reject(new Error(err))
      else resolve(peak)
    })
    const look = setInterval(async () => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024)
    }, 100)
  })

/** Two of four workers are killed, and then the database: how long until the queue is empty. */
async function killed(): Promise<void> {
  const { url, sql } = await freshDatabase('killed')
  await sql.end()
  const shared = { url, store: join(folder, 'store-killed'), name: 'bench', patienceMs: 120_000 }
  await start({ ...shared, do: 'enqueue', inputs: [await photos('photos-killed', images)], shard: 10 })
  const startedAt = performance.now()
  const work = { ...shared, do: 'work', modelMs: 50, concurrency: 2, connections: 4 }
  const all = [work, work, { ...work, kill: 6000 }, { ...work, kill: 6000 }].map((given) => start(given))
  await new Promise((resolve) => setTimeout(resolve, 9000))
  await cluster.restart('immediate')
  const backAt = performance.now()
  await Promise.all(all)
  const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(0)
  const after = postgres(url, { max: 1 })
  const [row] = await after`
    select count(*)::int as jobs, count(distinct content_sha256)::int as contents,
      count(*) filter (where status = 'completed')::int as completed,
      (select count(*)::int from pgboss.job where name like '%/dead') as dead,
      (select count(*)::int from open_jobs where claim_id is not null) as leases
    from image_process_jobs`
  await after.end()
  report(
    '2 of 4 workers killed, database killed (heartbeat 60 s)',
    `${row?.completed} of ${images} completed in ${row?.jobs} rows of ${row?.contents} contents, ${row?.dead} dead, ${row?.leases} leases, after ${seconds(startedAt)} s, ${seconds(backAt)} s after the database was back`,
  )
}

try {
  await throughput()
  await manyKeys()
  await killed()
} finally {
  await cluster.remove()
  await rm(folder, { recursive: true })
}
console.log(figures.map(([what, figure]) => `| ${what} | ${figure} |`).join('\n'))
