import { describe, expect, it, onTestFinished } from 'vitest'
import { connectServer, type Database } from '../../src/database/connect.ts'
import {
  applyMigrations,
  assertMigrated,
  type Migration,
  planMigrations,
  shippedMigrations,
  waitForDatabase,
} from '../../src/database/migrate.ts'
import { describeWith, freshDatabase, postgresUrl } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'

const migration = (name: string, sql: string): Migration => ({
  name,
  sql,
  sha256: `digest of ${sql}`,
  transaction: !sql.startsWith('-- no-transaction'),
})

/** An empty database on the server, gone after the test. */
async function empty(): Promise<Database & { url: string }> {
  const { url, drop } = await freshDatabase()
  const database = connectServer(url)
  onTestFinished(async () => {
    await database.close()
    await drop()
  })
  return { ...database, url }
}

onBothDatabases('a migrated database', (database) => {
  it('has the tables, columns and types of the design', async () => {
    const columns = await database().sql`
      select table_name || '.' || column_name as name, udt_name || coalesce('(' || character_maximum_length || ')', '') as type
      from information_schema.columns where table_schema = 'public'`
    const types = Object.fromEntries(columns.map(({ name, type }) => [name, type]))
    expect(types).toMatchObject({
      'image_process_jobs.job_id': 'uuid',
      'image_process_jobs.user_id': 'varchar(64)',
      'image_process_jobs.original_path': 'varchar(512)',
      'image_process_jobs.mask_path': 'varchar(512)',
      'image_process_jobs.processed_path': 'varchar(512)',
      'image_process_jobs.status': 'varchar(32)',
      'image_process_jobs.created_at': 'timestamptz',
      'image_process_jobs.completed_at': 'timestamptz',
      'image_process_jobs.processing_time_ms': 'int4',
      'image_process_jobs.image_width': 'int4',
      'image_process_jobs.image_height': 'int4',
      'image_process_jobs.file_size_kb': 'int4',
      'image_process_jobs.params': 'jsonb',
      'image_process_jobs.error_message': 'text',
      'users.user_id': 'varchar(64)',
      'users.username': 'varchar(128)',
      'users.email': 'varchar(256)',
      'users.created_at': 'timestamptz',
      'users.last_login': 'timestamptz',
      'tags.tag_id': 'int4',
      'tags.name': 'varchar(64)',
      'image_tags.job_id': 'uuid',
      'image_tags.tag_id': 'int4',
      'processing_stats.stat_date': 'date',
      'processing_stats.total_jobs': 'int4',
      'processing_stats.completed_jobs': 'int4',
      'processing_stats.avg_processing_time_ms': 'numeric',
      'processing_stats.error_rate': 'numeric',
    })
  })

  it('has the indexes of the design and the better ones', async () => {
    const indexes = await database()
      .sql`select indexdef from pg_indexes where schemaname = 'public' order by 1`
    const text = indexes
      .map(({ indexdef }) => indexdef.replace(/^CREATE (UNIQUE )?INDEX \S+ ON public\./, ''))
      .join('\n')
    for (const definition of [
      'image_process_jobs USING btree (status)',
      'image_process_jobs USING btree (user_id)',
      'image_process_jobs USING btree (created_at)',
      "image_process_jobs USING btree (completed_at) WHERE ((status)::text = 'completed'::text)",
      'image_process_jobs USING btree (user_id, created_at)',
      'image_process_jobs USING gin (params)',
      'image_process_jobs USING btree (((file_size_kb > 4096)))',
      'tags USING gin (name gin_trgm_ops)',
      'image_process_jobs USING btree (created_at, job_id)',
      'image_process_jobs USING btree (user_id, created_at, job_id)',
      'image_tags USING btree (tag_id)',
    ]) {
      expect(text).toContain(definition)
    }
  })

  it('refuses what the design forbids', async () => {
    const { sql } = database()
    const insert = (status: string) => sql`
      insert into image_process_jobs (job_id, user_id, original_path, status) values (gen_random_uuid(), 'u', 'o', ${status})`
    await expect(insert('done')).rejects.toMatchObject({ code: '23514' })
    await expect(insert('completed')).rejects.toMatchObject({ code: '23514' })
    await expect(insert('failed')).rejects.toMatchObject({ code: '23514' })
    await insert('pending')
  })

  it('is left alone by a second migrator', async () => {
    await assertMigrated(database().sql)
    expect(await applyMigrations(database())).toEqual([])
    expect((await planMigrations(database().sql)).pending).toEqual([])
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('migrating a server', () => {
  it('is done once by several migrators at the same moment', async () => {
    const { url } = await empty()
    const databases = [1, 2, 3, 4].map(() => connectServer(url))
    const applied = await Promise.all(databases.map((database) => applyMigrations(database)))
    await Promise.all(databases.map((database) => database.close()))
    const names = (await shippedMigrations()).map(({ name }) => name)
    expect(applied.flat().sort()).toEqual(names)
  })

  it('plans for a role that may only read, and writes nothing', async () => {
    const database = await empty()
    const names = (await shippedMigrations()).map(({ name }) => name)
    await database.sql`alter role current_user set default_transaction_read_only = off`
    const url = new URL(database.url)
    url.searchParams.set('options', '-c default_transaction_read_only=on')
    const reader = connectServer(url.href)
    onTestFinished(() => reader.close())
    expect((await planMigrations(reader.sql)).pending.map(({ name }) => name)).toEqual(names)
    expect(await database.sql`select 1 from pg_tables where schemaname = 'public'`).toHaveLength(0)
    await expect(assertMigrated(reader.sql)).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' })
  })

  it('leaves nothing of a file that fails, and everything before it', async () => {
    const database = await empty()
    const shipped = [
      migration('0001_one', 'create table one ()'),
      migration('0002_two', 'create table two (); select 1 / 0'),
    ]
    await expect(applyMigrations(database, { shipped })).rejects.toThrow(
      'Migration 0002_two failed and was undone',
    )
    const tables = await database.sql`select tablename from pg_tables where schemaname = 'public' order by 1`
    expect(tables.map(({ tablename }) => tablename)).toEqual(['one', 'schema_migrations'])
    expect((await planMigrations(database.sql, shipped)).pending.map(({ name }) => name)).toEqual([
      '0002_two',
    ])
  })

  it('runs a file outside a transaction when the file says so', async () => {
    const database = await empty()
    const shipped = [
      migration('0001_one', 'create table one (a int)'),
      migration('0002_index', '-- no-transaction\ncreate index concurrently one_a on one (a)'),
    ]
    expect(await applyMigrations(database, { shipped })).toHaveLength(2)
  })

  it('refuses a database that drifted, is newer, or has a gap', async () => {
    const database = await empty()
    const one = migration('0001_one', 'select 1')
    const three = migration('0003_three', 'select 3')
    await applyMigrations(database, { shipped: [one, three] })
    const plan = (shipped: Migration[]) => planMigrations(database.sql, shipped)
    await expect(plan([{ ...one, sha256: 'other' }, three])).rejects.toMatchObject({ code: 'DATABASE_DRIFT' })
    await expect(plan([one])).rejects.toMatchObject({ code: 'DATABASE_TOO_NEW' })
    await expect(plan([one, migration('0002_two', 'select 2'), three])).rejects.toMatchObject({
      code: 'DATABASE_DRIFT',
    })
  })

  it('waits for a server that starts, but not for one that refuses', async () => {
    const dead = connectServer('postgres://anna:s3cret@127.0.0.1:9/x')
    const since = Date.now()
    const error = await waitForDatabase(dead.sql, 1).catch((error) => error)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(Date.now() - since).toBeGreaterThanOrEqual(900)
    expect(`${error.message} ${error.hint} ${dead.location}`).not.toContain('s3cret')
    const url = new URL(postgresUrl!)
    url.pathname = '/no_such_database'
    const refusing = connectServer(url.href)
    await expect(waitForDatabase(refusing.sql, 30)).rejects.toMatchObject({ code: 'DATABASE_DENIED' })
    await dead.close()
    await refusing.close()
  })
})

describe('shipped files', () => {
  it('are numbered without gaps', async () => {
    const numbers = (await shippedMigrations()).map(({ name }) => Number(name.slice(0, 4)))
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  })
})
