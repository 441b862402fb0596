/** Backups of a database that is shared with others, by a role that may do no more than it has to. */
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { listManifests } from '../../src/backup/manifest.ts'
import { restoreBackup } from '../../src/backup/restore.ts'
import { takeBackup } from '../../src/backup/take.ts'
import type { Vault } from '../../src/backup/vault.ts'
import { connectServer, ensureDatabase } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { temporaryFolder } from '../support/cli.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, postgresUrl } from '../support/servers.ts'

const suffix = crypto.randomUUID().slice(0, 8)
const owner = `rmbg_owner_${suffix}`
const writer = `rmbg_writer_${suffix}`
const name = `rmbg_shared_${suffix}`

const urlOf = (database: string, user?: string): string => {
  const url = new URL(postgresUrl!)
  url.pathname = `/${database}`
  if (user !== undefined) url.username = user
  return url.href
}
const quiet = { program: 'test', objects: false, keepLast: undefined, keepDays: undefined }
const backUp = async (vault: Vault, { drill = true, url = urlOf(name, owner) } = {}) => {
  const database = connectServer(url)
  const steps: string[] = []
  try {
    const services = { database, store: directoryStore(await temporaryFolder()), vault }
    const { signal } = new AbortController()
    const result = await takeBackup(services, {
      ...{ ...quiet, drill, signal, onObject: () => {} },
      onStep: (step) => steps.push(step),
    })
    return { ...result, steps }
  } finally {
    await database.close()
  }
}
const freshVault = async (): Promise<Vault> => {
  const location = await temporaryFolder()
  return { location, store: directoryStore(location) }
}

describeWith('RMBG_TEST_DATABASE_URL')('a backup of a shared database', () => {
  let admin: postgres.Sql
  let inside: postgres.Sql
  beforeAll(async () => {
    admin = postgres(postgresUrl!, { max: 1, onnotice: () => {} })
    await admin`create role ${admin(owner)} login createdb`
    await admin`create role ${admin(writer)} login`
    await admin.unsafe(`create database ${name} owner ${owner} template template0 encoding 'UTF8'
      lc_collate 'C' lc_ctype 'C' locale_provider icu icu_locale 'tr-TR'`)
    await admin.unsafe(`alter role ${owner} in database ${name} set search_path = rmbg, public`)
    inside = postgres(urlOf(name), { max: 1, onnotice: () => {} })
    await inside.unsafe(`create schema rmbg authorization ${owner}`)
    const database = connectServer(urlOf(name, owner))
    await applyMigrations(database)
    await makeJob(database.sql, { status: 'failed', tags: ['spring'] })
    await database.close()
    // What others have there, and keep from the role: all of it in the way of a dump of the whole database.
    await inside.unsafe(`
      create extension pg_stat_statements schema rmbg;
      create schema theirs; create table theirs.users (id int);
      create table rmbg."their Table" (id serial); create view rmbg.their_view as select 1 as one;
      create type rmbg.their_type as enum ('a');
      create function rmbg.their_function() returns int language sql as 'select 1';
      create function rmbg.their_trigger() returns trigger language plpgsql as 'begin return new; end';
      create trigger their_trigger before insert on rmbg.tags for each row execute function rmbg.their_trigger();
      comment on function rmbg.their_function() is 'theirs';
      revoke all on all tables in schema theirs from public;
      grant usage on schema rmbg to ${writer};
      grant select on rmbg.image_process_jobs to ${writer}`)
  })
  afterAll(async () => {
    await inside.end()
    await admin`drop database ${admin(name)}`
    await admin`drop role ${admin(owner)}`
    await admin`drop role ${admin(writer)}`
    await admin.end()
  })

  /** A database that is made by a restore, and dropped after the test. */
  const restoredInto = async (vault: Vault, { grants = false } = {}) => {
    const [manifest] = await listManifests(vault)
    const into = `rmbg_restored_${crypto.randomUUID().slice(0, 8)}`
    const url = await ensureDatabase(urlOf(name, owner), into, manifest!.database.needs?.locale)
    const target = connectServer(url)
    const outside = postgres(urlOf(into), { max: 1, onnotice: () => {} })
    onTestFinished(async () => {
      await target.close()
      await outside.end()
      await admin`drop database ${admin(into)}`
    })
    return { into, target, outside, restore: () => restoreBackup(vault, manifest!, target, { grants }) }
  }

  it("is drilled and restored without what is not ours, in the source's locale and schema", async () => {
    const vault = await freshVault()
    const { drilled, manifest } = await backUp(vault)
    expect(drilled).toBeDefined()
    expect(manifest.database.needs).toMatchObject({
      schemas: ['rmbg'],
      extensions: [{ name: 'pg_trgm' }, { name: 'pgcrypto' }],
      locale: { provider: 'icu' },
    })
    const { target, outside, into, restore } = await restoredInto(vault)
    await expect(restore(), 'the role has its search path in the original only').rejects.toMatchObject({
      hint: expect.stringContaining(`ALTER ROLE ${owner} IN DATABASE ${into} SET search_path = rmbg, public`),
    })
    await outside.unsafe(`alter role ${owner} in database ${into} set search_path = rmbg, public`)
    const again = connectServer(urlOf(into, owner))
    const [restored] = await listManifests(vault)
    expect(await restoreBackup(vault, restored!, again), 'it is there already').toBe(false)
    await again.close()
    await target.close()
    const locale = (of: string) => admin`
      select datcollate, datctype, encoding, to_jsonb(d)->>'datlocprovider' as provider,
        to_jsonb(d)->>'daticulocale' as locale from pg_database d where datname = ${of}`
    expect(await locale(into)).toEqual(await locale(name))
    const objects = await outside`
      select relname as name from pg_class c join pg_namespace n on n.oid = relnamespace
        where relkind in ('r', 'v') and nspname !~ '^pg_' and nspname <> 'information_schema'
      union select proname from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = 'rmbg'
      union select tgname from pg_trigger where not tgisinternal
      union select typname from pg_type where typtype = 'e'
      union select extname from pg_extension`
    const names = objects.map((row) => row.name)
    expect(names).toEqual(
      expect.arrayContaining(['image_process_jobs', 'claim_job', 'note_usage_of_new', 'pg_trgm']),
    )
    expect(names.filter((each) => /their|pg_stat/.test(each))).toEqual([])
    expect(
      await outside`select has_table_privilege(${writer}, 'rmbg.image_process_jobs', 'select') as may`,
    ).toEqual([{ may: false }])
  })

  it('brings back who may do what, where that is asked for', async () => {
    const vault = await freshVault()
    await backUp(vault, { drill: false })
    const { outside, restore } = await restoredInto(vault, { grants: true })
    await restore().catch(() => {})
    expect(
      await outside`
        select has_table_privilege(${writer}, 'rmbg.image_process_jobs', 'select') as "mayRead",
          has_schema_privilege(${writer}, 'rmbg', 'usage') as "mayLook"`,
    ).toEqual([{ mayRead: true, mayLook: true }])
  })

  it('looks for the right to drill before it dumps', async () => {
    const vault = await freshVault()
    await admin`alter role ${admin(owner)} nocreatedb`
    await expect(backUp(vault)).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
      hint: expect.stringContaining('CREATEDB'),
    })
    await admin`alter role ${admin(owner)} createdb`
    expect(await listManifests(vault)).toEqual([])
    const left = await admin`select datname from pg_database where datname like 'rmbg_drill_%'`
    expect(left).toEqual([])
  })

  it('looks for room before it dumps: for the drill, and in the folder it writes to', async () => {
    const vault = await freshVault()
    const server = connectServer(urlOf(name, owner))
    const { signal } = new AbortController()
    const options = { ...quiet, drill: true, signal, onObject: () => {}, onStep: () => {} }
    const little: Database = { ...server, checkScratch: async () => ({ needed: 2e9, free: 1e9 }) }
    await expect(takeBackup({ database: little, store: vault.store, vault }, options)).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: 'The drill needs 2.0 GB on the disk of the database, which has 1.0 GB left.',
    })
    // Nothing fits into /proc.
    const full: Vault = { ...vault, location: '/proc/backups' }
    await expect(
      takeBackup({ database: server, store: vault.store, vault: full }, options),
    ).rejects.toMatchObject({
      code: 'STORE_FULL',
      message: expect.stringMatching(/^\/proc\/backups has 0 B left, and this backup takes at least /),
    })
    expect(await listManifests(vault)).toEqual([])
    await server.close()
  })

  it('says which extension somebody else has to create, and is restored when that is done', async () => {
    const vault = await freshVault()
    await backUp(vault, { drill: false })
    const [manifest] = await listManifests(vault)
    const into = `rmbg_others_${crypto.randomUUID().slice(0, 8)}`
    await admin`create database ${admin(into)}`
    const outside = postgres(urlOf(into), { max: 1, onnotice: () => {} })
    // Another program's extension and schema are not in the way of a restore.
    await outside.unsafe(`create extension pg_stat_statements; create schema theirs; create table theirs.t (id int);
      create schema rmbg authorization ${owner};
      alter role ${owner} in database ${into} set search_path = rmbg, public`)
    const target = connectServer(urlOf(into, owner))
    onTestFinished(async () => {
      await target.close()
      await outside.end()
      await admin`drop database ${admin(into)}`
    })
    await expect(restoreBackup(vault, manifest!, target)).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
      message: `This role may not create the extension pg_trgm in ${into}.`,
      hint: expect.stringContaining('CREATE EXTENSION pg_trgm SCHEMA rmbg there first'),
    })
    await outside.unsafe('create extension pg_trgm schema rmbg; create extension pgcrypto schema rmbg')
    expect(await restoreBackup(vault, manifest!, target)).toBe(true)
  })
})
