/** The way of docs/backup.md with pgBackRest: a server is brought back to a moment, and log and store agree again. */
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { checkWal } from '../../src/database/health/wal.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { planOrphans } from '../../src/upkeep/orphans.ts'
import { planPrune } from '../../src/upkeep/prune.ts'
import { archivingServer, hasPgBackRest, stanza } from '../support/archiving-server.ts'
import { rmbg } from '../support/cli.ts'
import { expectInvariants } from '../support/job-rows.ts'
import { makeJob } from '../support/jobs.ts'
import { ownedStore } from '../support/owned-store.ts'
import { describeWith } from '../support/servers.ts'

if (!hasPgBackRest && process.env.CI) throw new Error('CI must install pgbackrest')
const describePgBackRest = hasPgBackRest
  ? describeWith('RMBG_TEST_DATABASE_URL')
  : (title: string, suite: () => void) => describe.skip(`${title} (skipped: no pgbackrest)`, suite)

const signal = new AbortController().signal

describePgBackRest('a server that archives with pgBackRest', () => {
  let server: Awaited<ReturnType<typeof archivingServer>>
  let database: Database
  beforeAll(async () => {
    server = await archivingServer()
    const admin = postgres(server.urlOf('postgres'), { max: 1 })
    await admin`create database rmbg`
    await admin.end()
    database = connectServer(server.urlOf('rmbg'), { maxConnections: 2 })
    await applyMigrations(database)
  })
  afterAll(async () => {
    await database.close()
    await server.close()
  })

  const statuses = async () => {
    const rows = await database.sql<{ job_id: string; status: string }[]>`
      select job_id, status from all_jobs`
    return Object.fromEntries(rows.map(({ job_id, status }) => [job_id, status]))
  }

  /** What was written until now; it is archived when its segment is full or somebody switches to the next. */
  const archived = async () => {
    const [row] = await database.sql<
      { segment: string }[]
    >`select pg_walfile_name(pg_switch_wal()) as segment`
    await vi.waitFor(
      async () => {
        const [archiver] = await database.sql`select last_archived_wal as last from pg_stat_archiver`
        expect(archiver!.last >= row!.segment).toBe(true)
      },
      { timeout: 30_000, interval: 200 },
    )
  }

  it('restores nothing until there is a base backup, and from then on any moment', async () => {
    const home = join(server.folder, 'home')
    const files = directoryStore(join(home, 'store'))
    const store = ownedStore(files, () => connectServer(server.urlOf('rmbg')))
    const job = (ageDays: number) => makeJob(database.sql, { store, ageDays })

    expect(await checkWal(database)).toMatchObject({
      level: 'warn',
      recovery: { moments: null, dump: null },
      problems: expect.arrayContaining([expect.stringContaining('No base backup')]),
    })

    const pruned = await job(400)
    await server.fullBackup()
    const kept = await job(2)
    // pgBackRest knows its backups by the second, and restores none to the second it was made in.
    await database.sql`select pg_sleep(1.1)`
    const [now] = await database.sql<{ moment: string }[]>`select clock_timestamp()::text as moment`
    const lost = await job(2)
    const policy = { olderThan: { completed: '300 days' }, keepLast: undefined, filter: {} }
    const prune = await planPrune(
      { database, store: async () => store },
      { policy, maxShare: 100, keepObjects: false, versions: false },
    )
    await prune.execute({ rate: Number.POSITIVE_INFINITY, signal, onJobs: () => {} })
    await prune.close()
    expect(await statuses()).toEqual({ [kept]: 'completed', [lost]: 'completed' })

    // The server itself tells of the base backup; pgBackRest tells whether it is still kept.
    expect((await checkWal(database)).recovery).toMatchObject({
      moments: { newestBaseBackup: { foundIn: 'pg_wal of the server' } },
      advice: [expect.stringContaining(`--base-backups pgbackrest:${stanza}`), expect.any(String)],
    })
    const env = { DATABASE_URL: server.urlOf('rmbg'), RMBG_HOME: home, PGBACKREST_CONFIG: server.config }
    const told = await rmbg(['wal', '--base-backups', `pgbackrest:${stanza}`], { env })
    expect(told.stdout, told.stderr).toMatch(/base backups: 1 {2}\(pgBackRest, stanza rmbg\)/)
    expect(told.stdout).toMatch(/by a base backup and WAL {2}any moment from /)
    expect(told.status).toBe(0)

    await archived()
    const trial = await server.drillTo(now!.moment)
    const drilled = await rmbg(['orphans', '--grace', '0h', '--dry-run', '--json'], {
      env: { ...env, DATABASE_URL: trial.url },
    })
    expect(JSON.parse(drilled.stdout).plan, drilled.stderr).toMatchObject({ objects: 3, rows: 1 })
    await trial.stop()

    await database.close()
    await server.restoreTo(now!.moment)
    database = connectServer(server.urlOf('rmbg'), { maxConnections: 2 })
    expect(await statuses()).toEqual({ [pruned]: 'completed', [kept]: 'completed' })

    // The store did not go back: it lacks what was pruned since, and has what was made since.
    const found = { keepObjects: false, keepRows: false, signal, onOrphan: () => {} }
    const orphans = await planOrphans({ database, store }, { ...found, grace: '0 s', maxShare: 100 })
    expect(orphans.figures).toMatchObject({ objects: 3, rows: 1 })
    await orphans.execute({ signal })
    await orphans.close()
    expect(await statuses()).toEqual({ [pruned]: 'failed', [kept]: 'completed' })
    await expectInvariants(database.sql, files)
  })
})
