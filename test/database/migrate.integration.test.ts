/** Migrations, on both databases; and what only a server can show: several migrators, few rights, late starts. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import {
  applyMigrations,
  assertMigrated,
  type Migration,
  migrationsIn,
  planMigrations,
  shippedMigrations,
} from '../../src/database/migrate.ts'
import { temporaryFolder } from '../support/cli.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'
import { startProxy } from './proxy.ts'

const migration = (name: string, sql: string, changes: Partial<Migration> = {}): Migration => ({
  name,
  sql,
  sha256: name.padEnd(64, '0'),
  transaction: true,
  ...changes,
})
const first = migration('0001_first', 'create table first (n integer); insert into first values (1);')
const second = migration('0002_second', 'create table second (n integer);')
const index = migration('0002_index', 'create index concurrently if not exists i on first (n)', {
  transaction: false,
})

async function tables({ sql }: Database): Promise<string[]> {
  const rows = await sql`select tablename from pg_tables where schemaname = current_schema() order by 1`
  return rows.map(({ tablename }) => tablename)
}

onBothDatabases('the shipped migrations', (database) => {
  it('are all applied, in order, and nothing is left to do', async () => {
    const names = (await shippedMigrations()).map(({ name }) => name)
    expect(await planMigrations(database().sql)).toEqual({ applied: names, pending: [] })
    expect(await applyMigrations(database())).toEqual([])
    await assertMigrated(database().sql)
  })
})

onBothDatabases('migrations', (database) => {
  beforeEach(async () => {
    const { sql, kind } = database()
    const schema = `s${randomBytes(4).toString('hex')}`
    await sql`create schema ${sql(schema)}`
    // Every connection made from now on, and the one that an embedded database has.
    sql.options.connection.search_path = schema
    if (kind === 'embedded') await sql`select set_config('search_path', ${schema}, false)`
    else await sql`select pg_terminate_backend(pg_backend_pid())`.catch(() => {})
  })

  it('say what is pending, and write nothing in saying so', async () => {
    const { applied, pending } = await planMigrations(database().sql, [first, second])
    expect([applied, pending.map(({ name }) => name)]).toEqual([[], ['0001_first', '0002_second']])
    expect(await tables(database())).toEqual([])
    await expect(assertMigrated(database().sql)).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
      hint: expect.stringContaining('rmbg migrate'),
    })
  })

  it('are applied once, each told as it is done', async () => {
    const told: string[] = []
    const options = { shipped: [first, second], onApplied: (name: string) => told.push(name) }
    expect(await applyMigrations(database(), options)).toEqual(['0001_first', '0002_second'])
    expect(await applyMigrations(database(), options)).toEqual([])
    expect(told).toEqual(['0001_first', '0002_second'])
    expect(await tables(database())).toEqual(['first', 'schema_migrations', 'second'])
  })

  it('that fail leave nothing of themselves and all of those before', async () => {
    const broken = migration('0002_broken', 'create table half (n integer); select 1/0;')
    await expect(applyMigrations(database(), { shipped: [first, broken] })).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringMatching(/0002_broken failed and was undone: .*division by zero/),
    })
    expect(await tables(database())).toEqual(['first', 'schema_migrations'])
    expect(await applyMigrations(database(), { shipped: [first, second] })).toEqual(['0002_second'])
  })

  it('that meet a table of somebody else say that the database is in use', async () => {
    await database().sql`create table first (n integer)`
    await expect(applyMigrations(database(), { shipped: [first] })).rejects.toMatchObject({
      hint: expect.stringContaining('of its own'),
    })
  })

  it('that were edited after they were applied are refused', async () => {
    await applyMigrations(database(), { shipped: [first] })
    const edited = { ...first, sha256: 'f'.repeat(64) }
    await expect(applyMigrations(database(), { shipped: [edited, second] })).rejects.toMatchObject({
      code: 'DATABASE_DRIFT',
      message: expect.stringContaining('0001_first'),
    })
    expect(await tables(database())).not.toContain('second')
  })

  it('of a newer program are refused', async () => {
    await applyMigrations(database(), { shipped: [first, second] })
    await expect(planMigrations(database().sql, [first])).rejects.toMatchObject({
      code: 'DATABASE_TOO_NEW',
      message: expect.stringContaining('0002_second'),
    })
  })

  it('that come late, with a number before an applied one, are refused', async () => {
    await applyMigrations(database(), { shipped: [second] })
    await expect(applyMigrations(database(), { shipped: [first, second] })).rejects.toMatchObject({
      code: 'DATABASE_DRIFT',
      message: expect.stringContaining('0001_first is older than 0002_second'),
    })
  })

  it('run outside a transaction where they must, and stop where they are told to', async () => {
    const stop = new AbortController()
    const shipped = [first, index, migration('0003_third', 'create table third (n integer)')]
    const onApplied = (name: string) => name === '0002_index' && stop.abort(new Error('stopped'))
    await expect(applyMigrations(database(), { shipped, onApplied, signal: stop.signal })).rejects.toThrow(
      'stopped',
    )
    expect((await planMigrations(database().sql, shipped)).applied).toEqual(['0001_first', '0002_index'])
  })
})

describe('migration files', () => {
  it('are the same with any line endings, and only a first line takes them out of their transaction', async () => {
    const folder = await temporaryFolder()
    const unix = '-- no-transaction\nselect 1;\nselect 2;\n'
    await writeFile(join(folder, '0001_unix.sql'), unix)
    await writeFile(join(folder, '0002_windows.sql'), unix.replaceAll('\n', '\r\n'))
    await writeFile(join(folder, '0003_inside.sql'), 'select 1; -- no-transaction\n')
    await writeFile(join(folder, 'notes.txt'), '')
    const [one, two, three, ...others] = await migrationsIn(pathToFileURL(`${folder}/`))
    expect(one!.sha256).toBe(two!.sha256)
    expect([one, two, three].map((file) => file!.transaction)).toEqual([false, false, true])
    expect(others).toEqual([])
  })

  it('are numbered without a gap', async () => {
    const numbers = (await shippedMigrations()).map(({ name }) => Number(name.slice(0, 4)))
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('a server', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>
  beforeAll(async () => {
    fresh = await freshDatabase()
  })
  afterAll(() => fresh.drop())

  const connectTo = (url: string): Database => {
    const database = connectServer(url, { maxConnections: 1 })
    onTestFinished(() => database.close())
    return database
  }
  /** A schema of its own for one test, as a URL that leads into it. */
  const inSchema = async (): Promise<URL> => {
    const schema = `s${randomBytes(4).toString('hex')}`
    await connectTo(fresh.url).sql.unsafe(`create schema ${schema}`)
    const url = new URL(fresh.url)
    url.searchParams.set('search_path', schema)
    return url
  }

  it('migrated by four at once has every migration once', async () => {
    const { href } = await inSchema()
    const slow = migration('0001_slow', 'select pg_sleep(0.3); create table slow (n integer);')
    let waiting = 0
    const options = { shipped: [slow, second], onWaiting: () => waiting++ }
    const done = await Promise.all([1, 2, 3, 4].map(() => applyMigrations(connectTo(href), options)))
    expect(done.flat().sort()).toEqual(['0001_slow', '0002_second'])
    expect(waiting).toBe(3)
  })

  it('builds an index concurrently while other migrators wait', async () => {
    const { href } = await inSchema()
    const shipped = [first, index]
    const done = await Promise.all([1, 2, 3, 4].map(() => applyMigrations(connectTo(href), { shipped })))
    expect(done.flat().sort()).toEqual(['0001_first', '0002_index'])
  })

  it('with a table in use is waited for in short tries, and nobody queues behind them', async () => {
    const { href } = await inSchema()
    const [reader, other, migrator] = [connectTo(href), connectTo(href), connectTo(href)]
    await applyMigrations(migrator, { shipped: [first] })
    await reader.sql`begin`
    const [session] = await reader.sql`select pg_backend_pid() as pid from first`
    const column = migration('0002_column', 'alter table first add column m integer;')
    const told: string[] = []
    const applying = applyMigrations(migrator, {
      shipped: [first, column],
      onBlocked: (message) => told.push(message),
      times: { lockTimeoutMs: 50, pauseMs: 50, tryForMs: 600_000 },
    })
    await expect.poll(() => told).toEqual([expect.stringMatching(`0002_column .*session ${session!.pid} `)])
    for (let times = 0; times < 10; times++)
      expect(await other.sql`select m from first`.catch(({ code }) => code)).toBe('42703')
    await reader.sql`commit`
    expect(await applying).toEqual(['0002_column'])
  })

  it('with a table in use for too long is given up with a sentence, and left as it was', async () => {
    const { href } = await inSchema()
    const [reader, migrator] = [connectTo(href), connectTo(href)]
    await applyMigrations(migrator, { shipped: [first] })
    await reader.sql`begin`
    await reader.sql`select 1 from first`
    const column = migration('0002_column', 'alter table first add column m integer;')
    const times = { lockTimeoutMs: 50, pauseMs: 50, tryForMs: 100 }
    await expect(applyMigrations(migrator, { shipped: [first, column], times })).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringMatching(/0002_column failed and was undone: A table is locked by somebody else/),
    })
    await reader.sql`commit`
    expect(await applyMigrations(migrator, { shipped: [first, column] })).toEqual(['0002_column'])
  })

  it('builds an index anew that a killed build left half done', async () => {
    const database = connectTo((await inSchema()).href)
    const twice = migration(
      '0001_first',
      'create table first (n integer); insert into first values (1), (1);',
    )
    const unique = migration(
      '0002_unique',
      '-- no-transaction\ncreate unique index concurrently if not exists u on first (n);\nanalyze first;\n',
      { transaction: false },
    )
    await expect(applyMigrations(database, { shipped: [twice, unique] })).rejects.toThrow(
      '0002_unique failed',
    )
    await database.sql`truncate first`
    expect(await applyMigrations(database, { shipped: [twice, unique] })).toEqual(['0002_unique'])
    expect(
      await database.sql`select indisvalid as valid from pg_index where indexrelid = 'u'::regclass`,
    ).toEqual([{ valid: true }])
  })

  it('that ends the connection in the middle of a migration keeps nothing of it', async () => {
    const database = connectTo((await inSchema()).href)
    const killing = migration(
      '0002_killing',
      'create table half (n integer); do $$ begin perform pg_terminate_backend(pg_backend_pid()); end $$;',
    )
    await expect(applyMigrations(database, { shipped: [first, killing] })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
    await database.sql`select 1`.catch(() => {}) // postgres.js tells the first query of the next connection, too
    expect(await tables(database)).toEqual(['first', 'schema_migrations'])
    expect(await applyMigrations(database, { shipped: [first, second] })).toEqual(['0002_second'])
  })

  it('tells a role without rights to write what is pending, and refuses it the rest with a sentence', async () => {
    const url = await inSchema()
    await applyMigrations(connectTo(url.href), { shipped: [first] })
    const role = `reader_${randomBytes(4).toString('hex')}`
    const schema = url.searchParams.get('search_path')!
    const { sql } = connectTo(fresh.url)
    await sql.unsafe(
      `create role ${role} login password 'secret'; alter role ${role} set default_transaction_read_only = on;
       grant usage on schema ${schema} to ${role}; grant select on all tables in schema ${schema} to ${role}`,
    )
    url.username = role
    url.password = 'secret'
    const reader = connectServer(url.href)
    const { applied, pending } = await planMigrations(reader.sql, [first, second])
    expect([applied, pending]).toEqual([['0001_first'], [second]])
    await expect(applyMigrations(reader, { shipped: [first, second] })).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
    })
    await reader.close()
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`)
  })

  it('that is still starting is waited for', async () => {
    const proxy = await startProxy(fresh.url)
    const { sql } = connectTo(proxy.url)
    await proxy.stop()
    const planning = planMigrations(sql)
    await sleep(1000)
    await proxy.start()
    await planning
  })

  it('that refuses is not waited for', async () => {
    const nowhere = new URL(fresh.url)
    nowhere.pathname = '/no_such_database'
    const asked = performance.now()
    await expect(planMigrations(connectTo(nowhere.href).sql)).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
    })
    expect(performance.now() - asked).toBeLessThan(5000)
  })
})
