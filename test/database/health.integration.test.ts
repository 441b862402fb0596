import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { recordBackup } from '../../src/database/backups.ts'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import type { HealthCheck } from '../../src/database/health/contract.ts'
import { checkHealth } from '../../src/database/health/index.ts'
import type { MovedThreshold } from '../../src/database/health/thresholds.ts'
import { archiveCommand, checkWal } from '../../src/database/health/wal.ts'
import { foldUsage } from '../../src/database/usage.ts'
import { openMetrics } from '../../src/terminal/open-metrics.ts'
import { describeWith, migratedDatabase } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'

const named = (checks: HealthCheck[], name: string): HealthCheck => {
  const check = checks.find((one) => one.name === name)
  if (!check) throw new Error(`There is no check ${name}`)
  return check
}

onBothDatabases('health', (database) => {
  it('looks at everything, each with a sentence', async () => {
    const checks = await checkHealth(database())
    const everywhere = [
      ...['cache-hits', 'bloat', 'vacuum', 'indexes', 'queues', 'wraparound', 'sequences', 'disk', 'backup'],
    ]
    const serverOnly = [
      ...['connections', 'long-running', 'blocked', 'prepared-transactions', 'replication'],
      ...['replication-slots', 'wal-archiving', 'statements', 'settings'],
    ]
    expect(checks.map(({ name }) => name).sort()).toEqual(
      [...everywhere, ...(database().kind === 'server' ? serverOnly : [])].sort(),
    )
    for (const { name, summary } of checks) expect(summary, name).toMatch(/^[A-Z0-9].*[.:]$/)
  })

  it('is told as OpenMetrics: every sample after its type, EOF at the end', async () => {
    const text = await openMetrics(await checkHealth(database()))
    expect(text.endsWith('\n# EOF\n')).toBe(true)
    const typed = new Set<string>()
    for (const line of text.split('\n').slice(0, -2)) {
      const [, family] = /^# TYPE (\S+) (?:gauge|counter)$/.exec(line) ?? []
      if (family) {
        expect(typed.has(family), `${family} comes once`).toBe(false)
        typed.add(family)
      } else if (!line.startsWith('# HELP ')) {
        const [, name] = /^([a-z_]+)(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? -?[\d.e+-]+$/.exec(line) ?? []
        expect(typed.has(name?.replace(/_total$/, '') ?? '') || typed.has(name ?? ''), line).toBe(true)
      }
    }
  })

  it('warns where it is told to', async () => {
    const levels = async (...moved: MovedThreshold[]) =>
      new Map((await checkHealth(database(), { moved })).map(({ name, level }) => [name, level]))
    expect((await levels()).get('sequences')).toBe('ok')
    const strict = await levels(
      { name: 'sequence', level: 'warn', value: 0 },
      { name: 'transaction-age', level: 'crit', value: 0 },
    )
    expect([strict.get('sequences'), strict.get('wraparound')]).toEqual(['warn', 'crit'])
  })

  it('sees a sequence near its end, and how to get values back', async () => {
    const { sql } = database()
    await sql`select setval('tags_tag_id_seq', 2000000000)`
    const { level, details, metrics } = named(await checkHealth(database()), 'sequences')
    expect(level).toBe('crit')
    expect(details).toEqual([
      "tags_tag_id_seq: 93.1% of 2147483647 are used up. SELECT setval('tags_tag_id_seq', max(tag_id)) FROM tags gives back what no row has.",
    ])
    expect(metrics).toContainEqual(expect.objectContaining({ labels: { sequence: 'tags_tag_id_seq' } }))
    await sql`select setval('tags_tag_id_seq', 1)`
  })

  it('does not take a queue for a neglected table, and tells when too much waits in it', async () => {
    const { sql } = database()
    await sql`
      insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
        sum_processing_time_ms, original_bytes, mask_bytes, processed_bytes)
      select 'user', '2026-01-01', repeat('x', 400), 1, 0, 0, 0, 0, 0, 0, 0 from generate_series(1, 25000)`
    const waiting = await checkHealth(database(), {
      moved: [{ name: 'queue', level: 'warn', value: 25_000 }],
    })
    expect(named(waiting, 'queues')).toMatchObject({ level: 'warn', summary: /^25000 changes wait/ })
    await foldUsage(sql)
    const checks = await checkHealth(database())
    expect(named(checks, 'queues').level).toBe('ok')
    // More rows than there are, dead since a moment ago, in more than 8 MB.
    expect(named(checks, 'vacuum').level).toBe('ok')
    expect(named(checks, 'bloat')).toMatchObject({ level: 'ok' })
  })

  it('wants a backup that is young and was drilled', async () => {
    const { sql } = database()
    const level = async () => named(await checkHealth(database()), 'backup').level
    const at = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
    const backup = { location: '/b', bytes: 1, withObjects: true }
    await sql`delete from backups`
    expect(await level()).toBe('warn')
    await recordBackup(sql, { ...backup, backupId: 'a', createdAt: at(24 * 8), drilledAt: at(1) })
    expect(await level()).toBe('crit')
    await recordBackup(sql, { ...backup, backupId: 'b', createdAt: at(30), drilledAt: at(1) })
    expect(await level()).toBe('warn')
    await recordBackup(sql, { ...backup, backupId: 'c', createdAt: at(2), drilledAt: null })
    expect(await level()).toBe('warn')
    await recordBackup(sql, { ...backup, backupId: 'c', createdAt: at(2), drilledAt: at(1) })
    expect(await level()).toBe('ok')
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('the health of a server', () => {
  let database: Database
  let url: string
  let drop: () => Promise<void>
  beforeAll(async () => {
    ;({ url, drop } = await migratedDatabase())
    database = connectServer(url)
  })
  afterAll(async () => {
    await database.close()
    await drop()
  })
  const check = async (name: string) => named(await checkHealth(database), name)

  it('tells who waits for whom', async () => {
    const [holder, waiter] = [
      connectServer(url, { maxConnections: 1 }),
      connectServer(url, { maxConnections: 1 }),
    ]
    await holder.sql`begin`
    await holder.sql`lock table tags`
    const [row] = await holder.sql`select pg_backend_pid() as pid`
    const waiting = waiter.sql`select count(*) from tags`.then((rows) => rows)
    await expect.poll(async () => (await check('blocked')).summary).toMatch(/1 session waiting for others/)
    expect((await check('blocked')).details[0]).toContain(`for pid ${row!.pid}: select count(*) from tags`)
    await holder.sql`rollback`
    await waiting
    await holder.close()
    await waiter.close()
    expect((await check('blocked')).level).toBe('ok')
  })

  it('finds invalid, duplicate and covered indexes', async () => {
    const { sql } = database
    await sql`insert into users (user_id, username) values ('a', 'same'), ('b', 'same')`
    await sql`create unique index concurrently users_broken on users (username)`.catch(() => {})
    await sql`create index users_again on users (email)`
    await sql`create index users_once_more on users (email)`
    await sql`create index users_by_name on users (username)`
    await sql`create index users_by_name_and_time on users (username, created_at)`
    await sql`create index users_backwards on users (username desc)`
    await sql`create index users_some on users (username) where last_login is null`
    const { level, details } = await check('indexes')
    expect(level).toBe('warn')
    expect(details).toContain(
      'invalid: users_broken; REINDEX INDEX CONCURRENTLY users_broken builds it again, DROP INDEX CONCURRENTLY users_broken removes it',
    )
    expect(details).toContain('the same: users_again, users_email_key, users_once_more')
    const covered = details.filter((detail) => /^covered: users_/.test(detail))
    expect(covered).toEqual([
      expect.stringMatching(/^covered: users_by_name, .*; users_by_name_and_time serves its queries$/),
    ])
    const wasted = [{ name: 'index-waste', level: 'crit', value: 1 } as const]
    expect(named(await checkHealth(database, { moved: wasted }), 'indexes').level).toBe('crit')
  })

  it('sees a table that autovacuum leaves out', async () => {
    const { sql } = database
    await sql`alter table tags set (autovacuum_enabled = off)`
    const { level, summary, details } = await check('vacuum')
    expect([level, summary]).toEqual(['warn', 'Autovacuum is switched off for tags.'])
    expect(details).toContain('ALTER TABLE tags RESET (autovacuum_enabled) switches it on again.')
    await sql`alter table tags reset (autovacuum_enabled)`
    expect((await check('vacuum')).level).toBe('ok')
  })

  it('tells the cache hits since the last look, besides those since counting began', async () => {
    const countsFolder = await mkdtemp(join(tmpdir(), 'rmbg-counts-'))
    onTestFinished(() => rm(countsFolder, { recursive: true }))
    const look = async () => named(await checkHealth(database, { countsFolder }), 'cache-hits')
    await database.sql`
      select count(*) from generate_series(1, 30000) n
      cross join lateral (select from pg_class c where c.oid = n::oid limit 1) c`
    // Counters reach the statistics within a second.
    await expect.poll(async () => (await look()).summary).toMatch(/^\d.* since counting began\.$/)
    const [file] = await readdir(countsFolder)
    const path = join(countsFolder, file!)
    const kept = JSON.parse(await readFile(path, 'utf8'))
    const at = new Date(Date.parse(kept.at) - 600_000).toISOString()
    await writeFile(path, JSON.stringify({ ...kept, at, hit: 0, read: 0 }))
    const { summary, metrics } = await look()
    expect(summary).toMatch(
      /^\d.* blocks came from shared_buffers in the last 10 min; .* since counting began\.$/,
    )
    expect(metrics.map(({ name }) => name)).toContain('rmbg_recent_cache_hit_ratio')
    // It counts from here on.
    expect(JSON.parse(await readFile(path, 'utf8')).hit).toBeGreaterThan(0)
    expect((await look()).summary).toMatch(/^\d.* since counting began\.$/)
  })

  it('withholds an estimate of bloat from old statistics, and gives one from fresh ones', async () => {
    const { sql } = database
    await sql`alter table users set (autovacuum_enabled = false)`
    await sql`insert into users (user_id, username) select repeat('u', 50) || n, 'x' from generate_series(1, 150000) n`
    await sql`select pg_stat_clear_snapshot()`
    await expect.poll(async () => (await check('bloat')).level, { timeout: 5000 }).toBe('unknown')
    await sql`delete from users where right(user_id, 1) <> '0'`
    // Counted late, the rows would seem to have been deleted after the analyze.
    const dead = async () =>
      (await sql`select n_dead_tup::int as dead from pg_stat_user_tables where relname = 'users'`)[0]!.dead
    await expect.poll(dead, { timeout: 10_000 }).toBeGreaterThan(100_000)
    await sql`vacuum analyze users`
    await expect.poll(async () => (await check('bloat')).level, { timeout: 5000 }).toBe('ok')
    expect((await check('bloat')).details).toContainEqual(expect.stringMatching(/^table users: about \d/))
    expect((await check('bloat')).details).toContainEqual(
      expect.stringMatching(/^index users_pkey: about \d/),
    )
  })

  it('says what a role may not see, and the GRANT that would show it', async () => {
    const { sql } = database
    const role = `rmbg_plain_${crypto.randomUUID().slice(0, 8)}`
    await sql`create role ${sql(role)} login`
    await sql`grant select on all tables in schema public to ${sql(role)}`
    const asRole = new URL(url)
    asRole.username = role
    const plain = connectServer(asRole.href)
    const checks = await checkHealth(plain)
    await plain.close()
    await sql`drop owned by ${sql(role)}`
    await sql`drop role ${sql(role)}`
    expect(named(checks, 'connections').grant).toBe(`GRANT pg_monitor TO ${role}`)
    expect(named(checks, 'long-running').summary).toContain('cannot be seen')
    expect(named(checks, 'long-running').level).toBe('unknown')
    expect(named(checks, 'sequences').grant).toBe(`GRANT SELECT ON SEQUENCE tags_tag_id_seq TO ${role}`)
  })

  it('knows that WAL is not archived, and what to add', async () => {
    const report = await checkWal(database, '/var/backups/wal')
    expect(report).toMatchObject({ level: 'warn', archiveMode: 'off' })
    expect(report.settingsToAdd.join('\n')).toContain(archiveCommand('/var/backups/wal'))
  })
})

it('the archive_command keeps a segment, accepts it again, and overwrites it with no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-wal-'))
  const archive = join(folder, 'archive')
  const segment = join(folder, '000000010000000000000001')
  await execa('mkdir', [archive])
  await writeFile(segment, 'first')
  const command = archiveCommand(archive)
    .replaceAll('%p', segment)
    .replaceAll('%f', '000000010000000000000001')
  const run = async () => (await execa('sh', ['-c', command], { reject: false })).exitCode
  expect(await run()).toBe(0)
  expect(await run()).toBe(0)
  await writeFile(segment, 'other')
  expect(await run()).not.toBe(0)
  expect(await readFile(join(archive, '000000010000000000000001'), 'utf8')).toBe('first')
  expect((await execa('ls', [archive])).stdout).toBe('000000010000000000000001')
  await rm(folder, { recursive: true })
})
