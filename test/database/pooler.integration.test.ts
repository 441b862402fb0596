/** Behind a transaction pooler (PgBouncer): what has to work, what is refused, and what must leave nothing behind. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { restoreBackup } from '../../src/backup/restore.ts'
import { takeBackup } from '../../src/backup/take.ts'
import type { Vault } from '../../src/backup/vault.ts'
import { connectServer, ensureDatabase, type ServerOptions } from '../../src/database/connect.ts'
import type { ServerDatabase } from '../../src/database/contract.ts'
import { withDatabase } from '../../src/database/errors.ts'
import { checkHealth } from '../../src/database/health/index.ts'
import { dropIndex, indexStates, reindex, vacuumTables } from '../../src/database/indexes.ts'
import { applyMigrations, assertMigrated, shippedMigrations } from '../../src/database/migrate.ts'
import { retireJobs } from '../../src/database/tombstones.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { processOwner } from '../../src/system/owner.ts'
import { planOrphans } from '../../src/upkeep/orphans.ts'
import { planPrune } from '../../src/upkeep/prune.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, freshDatabase, pooled } from '../support/servers.ts'

const signal = new AbortController().signal
const policy = { olderThan: { completed: '30 days' }, keepLast: undefined, filter: {} }

describeWith('RMBG_TEST_POOLER_URL')('behind a transaction pooler', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>
  let folder: string
  beforeAll(async () => {
    fresh = await freshDatabase()
    folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
  })
  afterAll(async () => {
    await fresh.drop()
    await rm(folder, { recursive: true })
  })

  const connectTo = (url: string, options: ServerOptions = {}): ServerDatabase => {
    const database = connectServer(url, options)
    onTestFinished(() => database.close())
    return database
  }
  const open = async (options: ServerOptions = {}): Promise<ServerDatabase> => {
    const database = connectTo(pooled(fresh.url).href, options)
    expect(await database.isPooled()).toBe(true)
    return database
  }
  const store = () => directoryStore(join(folder, 'store'))
  const vault = (): Vault => ({ store: directoryStore(join(folder, 'vault')), location: folder })
  const backup = async (database: ServerDatabase, drill: boolean) =>
    takeBackup(
      { database, store: store(), vault: vault() },
      {
        ...{ program: 'test', objects: true, drill, keepLast: 1, keepDays: undefined, signal },
        ...{ onObject: () => {}, onStep: () => {} },
      },
    )

  it('two migrators at once: one works, the other waits and is told for whom', async () => {
    const holders: string[] = []
    const onWaiting = (holder: string) => holders.push(holder)
    const [first, second] = [await open(), await open()]
    const done = await Promise.all([first, second].map((one) => applyMigrations(one, { onWaiting })))
    expect(done.flat().sort()).toEqual((await shippedMigrations()).map(({ name }) => name))
    expect(holders).toEqual([
      expect.stringMatching(new RegExp(`process ${process.pid} on .*session \\d+, since `)),
    ])
    await assertMigrated(first.sql)
    const left = await connectTo(fresh.url).sql`
      select 1 from pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())`
    expect(left).toHaveLength(0)
  })

  it('is recognised, and no statement is prepared there; without one, they are', async () => {
    const [behind, without] = [await open(), connectTo(fresh.url)]
    expect(await without.isPooled()).toBe(false)
    expect([behind.sql.options.prepare, without.sql.options.prepare]).toEqual([false, true])
    const url = pooled(fresh.url)
    for (const [parameter, prepares] of [
      ['prepare=false', false],
      ['pgbouncer=true', false],
      ['prepare=true', true],
    ] as const) {
      url.search = parameter
      const asked = connectTo(url.href)
      expect(await asked.isPooled()).toBe(true)
      expect(asked.sql.options.prepare, parameter).toBe(prepares)
    }
  })

  it('a statement that the session does not know is asked again, and nothing is prepared from then on', async () => {
    const url = pooled(fresh.url)
    url.search = 'prepare=true'
    const { sql } = connectTo(url.href, { maxConnections: 8 })
    const answers = Array.from({ length: 200 }, (_, n) =>
      withDatabase(() => sql<{ n: number }[]>`select ${n}::integer as n, pg_sleep(0.002)`),
    )
    expect((await Promise.all(answers)).map(([row]) => row?.n)).toEqual(answers.map((_, n) => n))
    expect(sql.options.prepare).toBe(false)
  })

  it('a setting that the pooler refuses is told by its name, and not waited for', async () => {
    const url = pooled(fresh.url)
    url.search = 'search_path=shop'
    await expect(connectTo(url.href).isPooled()).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
      message: expect.stringContaining('refuses the setting search_path'),
      hint: expect.stringContaining('ignore_startup_parameters'),
    })
  })

  it('one prune works and another is refused, told who is at work and since when', async () => {
    const [first, second] = [await open(), await open()]
    await makeJob(first.sql, { ageDays: 40, store: store() })
    const plan = await planPrune(
      { database: second, store: async () => store() },
      { policy, maxShare: 100, keepObjects: false, versions: false },
    )
    const execution = { rate: 1e9, signal, onJobs: () => {} }
    const held = await first.lock('prune')
    await expect(plan.execute(execution)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringMatching(new RegExp(`process ${process.pid} on .* since \\d{4}-.* UTC`)),
    })
    await held.release()
    expect(await plan.execute(execution)).toMatchObject({ jobs: 1, objects: 3 })
    await plan.close()
  })

  it('the lock of a process that is gone is taken at once, that of another machine after its lease', async () => {
    const database = await open()
    const { sql } = database
    const held = await database.lock('prune')
    const { pid } = spawnSync('true')
    const gone = processOwner().split(' ').with(1, String(pid)).join(' ')
    await sql`update command_locks set owner = ${gone}`
    const next = await database.lock('prune')
    await held.release() // not that of the next one
    await sql`update command_locks set owner = 'web02/m/b/n 4711 1', command = 'rmbg prune'`
    await expect(database.lock('prune')).rejects.toThrow('rmbg prune (process 4711 on web02)')
    await sql`update command_locks set lease_until = now()`
    const last = await database.lock('prune')
    await expect(next.assertHeld()).rejects.toThrow('has lost the lock for prune')
    await last.release()
    expect(await sql`select 1 from command_locks`).toHaveLength(0)
  })

  it('a prune that stood still for longer than its lease deletes nothing before it has the lock again', async () => {
    const database = await open()
    const { sql } = database
    const jobId = await makeJob(sql, { ageDays: 40 })
    const held = await database.lock('prune')
    const retire = (lockId: string | undefined) =>
      retireJobs(sql, policy, {
        ...{ kind: 'completed', before: new Date().toISOString(), jobIds: [jobId], kept: true, lockId },
      })
    await sql`update command_locks set lease_until = now()`
    expect(await retire(held.id)).toBeUndefined()
    const other = await database.lock('prune')
    expect(await retire(held.id)).toBeUndefined()
    await expect(held.assertHeld()).rejects.toMatchObject({ code: 'REFUSED' })
    await sql`update command_locks set lease_until = now()`
    await other.assertHeld()
    expect(await retire(other.id)).toMatchObject({ jobs: 1 })
    await other.release()
  })

  it('a process of an earlier release, which locks by its session, is waited out', async () => {
    const earlier = postgres(fresh.url, { max: 1 })
    await earlier`select pg_advisory_lock(7262671404)`
    const [session] = await earlier`select pg_backend_pid() as pid`
    const database = await open()
    await expect(database.lock('backup')).rejects.toMatchObject({
      code: 'REFUSED',
      hint: expect.stringContaining(`pg_terminate_backend(${session!.pid})`),
    })
    await earlier.end()
    await (await database.lock('backup')).release()
  })

  it('a role that may only read locks by its session, and is seen by others', async () => {
    const role = `reader_${process.pid}`
    const admin = connectTo(fresh.url)
    await admin.sql.unsafe(
      `create role ${role} login; grant select on all tables in schema public to ${role}`,
    )
    const direct = new URL(fresh.url)
    direct.username = role
    const reader = connectTo(direct.href)
    const held = await reader.lock('backup')
    await expect(admin.lock('backup')).rejects.toThrow('Another rmbg (rmbg, session ')
    await expect(connectTo(direct.href).lock('backup')).rejects.toThrow('Another rmbg (rmbg, session ')
    await held.release()
    const other = await admin.lock('backup')
    await expect(reader.lock('backup')).rejects.toThrow(`(process ${process.pid} on `)
    await other.release()
    await reader.close()
    await admin.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  })

  it('health, reindex, vacuum and orphans leave no setting on a session that others get', async () => {
    const database = await open()
    const before = await settings(database)
    expect((await checkHealth(database)).map(({ name }) => name)).toContain('connections')
    await vacuumTables(database.sql, () => {})
    const [index] = await indexStates(database.sql)
    await reindex(database.sql, index!.name)
    await dropIndex(database.sql, 'no_such_index')
    const orphans = await planOrphans(
      { database, store: store() },
      {
        ...{ grace: '1 day', maxShare: 10, keepObjects: false, keepRows: false, signal },
        onOrphan: () => {},
      },
    )
    await orphans.close()
    expect(await settings(database)).toEqual(before)
  })

  it('a backup names what it needs, and before it has written anything', async () => {
    const database = await open()
    for (const drill of [false, true]) {
      await expect(backup(database, drill)).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringMatching(/^pg_dump needs a session of its own, and DATABASE_URL/),
        hint: expect.stringContaining('DATABASE_DIRECT_URL'),
      })
    }
    await expect(database.openScratch()).rejects.toThrow('A drill needs a session')
    await expect(database.direct('A restore')).rejects.toThrow('A restore needs a session')
  })

  it('with DATABASE_DIRECT_URL it is taken, drilled and restored, and leaves nothing on the pool or the server', async () => {
    const database = await open({ directUrl: fresh.url })
    await makeJob(database.sql, { ageDays: 1, store: store() })
    const before = await settings(database)
    const { manifest, drilled } = await backup(database, true)
    expect(drilled).toMatchObject({ objectsChecked: 3 })
    const name = `${new URL(fresh.url).pathname.slice(1)}_restored`
    const target = connectTo(await ensureDatabase(fresh.url, name), { isDirect: true })
    expect(await restoreBackup(vault(), manifest, target)).toBe(true)
    expect(await target.sql`select 1 from command_locks`, 'nobody has a lock there').toHaveLength(0)
    await target.close()
    await database.sql`drop database ${database.sql(name)}`
    expect(await settings(database)).toEqual(before)
    await assertMigrated(database.sql)
    const left = await database.sql`
      select 1 from pg_stat_activity where datname like 'rmbg_drill_%' and datname not in (select datname from pg_database)`
    expect(left).toHaveLength(0)
  })

  it('DATABASE_DIRECT_URL that leads to another database, or to a pooler as well, is refused', async () => {
    const server = new URL(fresh.url)
    server.pathname = '/postgres'
    await expect((await open({ directUrl: server.href })).openSnapshot()).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('leads to another database than DATABASE_URL'),
    })
    await expect((await open({ directUrl: pooled(fresh.url).href })).openSnapshot()).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringMatching(/^pg_dump needs a session of its own, and DATABASE_DIRECT_URL/),
    })
  })
})

/** What a command could have left changed, on each session of the pool. */
async function settings({ sql }: ServerDatabase): Promise<unknown[]> {
  const sessions = await Promise.all(
    Array.from({ length: 6 }, () =>
      withDatabase(
        () => sql`
          select current_setting('search_path') as path, current_setting('statement_timeout') as statement,
            current_setting('lock_timeout') as lock, current_setting('timezone') as timezone,
            current_setting('extra_float_digits') as digits, pg_sleep(0.02)`,
      ),
    ),
  )
  return [...new Set(sessions.map(([row]) => JSON.stringify(row)))]
}
