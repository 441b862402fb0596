/** What pending migrations are said to block, before anything is touched. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { applyMigrations, type Migration, shippedMigrations } from '../../src/database/migrate.ts'
import { migrationEffects, stepsOf } from '../../src/database/migration-effects.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

describe('the statements of the shipped migrations', () => {
  it('are all understood', async () => {
    for (const migration of await shippedMigrations()) expect(() => stepsOf(migration)).not.toThrow()
  })

  it('of another kind are not guessed at', () => {
    expect(() => stepsOf({ name: '9999_odd', sql: 'cluster jobs;' })).toThrow('9999_odd has a statement')
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('a migration of tables that are there', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>
  let database: Database
  const migration = (sql: string, transaction = true): Migration => ({
    ...{ name: '0002_later', sql, sha256: '', transaction },
  })
  const effects = async (sql: string, transaction?: boolean) =>
    (await migrationEffects(database.sql, [migration(sql, transaction)])).map(
      ({ table, blocks, seconds }) => `${blocks} ${table} ${seconds}`,
    )
  beforeAll(async () => {
    fresh = await freshDatabase()
    database = connectServer(fresh.url)
    await applyMigrations(database, {
      shipped: [
        {
          ...migration(
            'create table jobs (id integer primary key, t text); create table tags (job integer);',
          ),
          name: '0001_first',
        },
      ],
    })
    // A large table without the rows: what the catalogue says counts.
    await database.sql`insert into jobs select n, repeat('x', 100) from generate_series(1, 50000) n`
    await database.sql`vacuum analyze jobs`
    await database.sql`update pg_class set reltuples = 1e6 where oid = 'jobs'::regclass`
  })
  afterAll(async () => {
    await database.close()
    await fresh.drop()
  })

  it.each([
    ['alter table jobs add column n integer', ['reads jobs 0']],
    ['create table other (n integer)', []],
    ['create table other (n integer references jobs (id))', ['writes jobs 0']],
    ['drop index jobs_pkey', ['reads jobs 0']],
    ['create function f() returns void language sql as $$ update jobs set t = t; $$', []],
    ['alter table missing add column n integer', []],
    ['alter table jobs validate constraint c', ['nobody jobs 0']],
    ['update jobs set t = t', ['writes jobs 500']],
    // Held until the end, behind the slow one.
    ['alter table tags add column n integer; update jobs set t = t;', ['reads tags 500', 'writes jobs 500']],
  ])('%s', async (sql, expected) => {
    expect(await effects(sql)).toEqual(expected)
  })

  it('tells a plain build of an index from one beside everybody', async () => {
    expect(await effects('create index i on jobs (t)')).toEqual([expect.stringMatching(/^writes jobs/)])
    const beside = '-- no-transaction\ncreate index concurrently if not exists i on jobs (t);'
    expect(await effects(beside, false)).toEqual([expect.stringMatching(/^nobody jobs/)])
  })
})
