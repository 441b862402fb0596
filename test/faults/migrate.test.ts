/** `rmbg migrate`, killed before, in and after every single migration. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shippedMigrations } from '../../src/database/migrate.ts'
import { describeServers } from '../support/site.ts'
import { migratePlaces } from './places.ts'
import { embeddedWorld, killedAt, serverWorld, type World } from './worlds.ts'

/** Everything a migration can make, as the catalogue has it. */
const schemaOf = async (sql: postgres.Sql) => {
  const rows = await sql`
    select 'column' as kind, attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) as what
      from pg_attribute join pg_class c on c.oid = attrelid
      where relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped and relkind in ('r', 'v')
    union all select 'constraint', conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid) from pg_constraint
      where connamespace = 'public'::regnamespace
    union all select 'index', indisvalid || ' ' || pg_get_indexdef(indexrelid) from pg_index
      join pg_class c on c.oid = indexrelid where relnamespace = 'public'::regnamespace
    union all select 'trigger', pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select 'function', proname || ' ' || md5(prosrc) from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'migration', name || ' ' || sha256 from schema_migrations
    order by 1, 2`
  return rows.map(({ kind, what }) => `${kind} ${what}`)
}

const shipped = (await shippedMigrations()).map(({ name }) => name)
async function killAtEveryMigration(
  world: World,
  placeOf: (index: number) => string,
  uninterrupted: string[],
) {
  let applied = 0
  for (let index = 0; index < shipped.length; index++) {
    const at = placeOf(index)
    // A run that gets past what killed the one before is killed at the migration behind it.
    const passage = at === 'migrate:committed' || index === 0 ? 1 : 2
    await killedAt(world, `${at}@${passage}`, ['migrate'])
    applied += at === 'migrate:committed' ? 1 : passage - 1
    // What is written while the schema is half way there stays.
    if (index === 8)
      await world.change((sql) => sql`insert into users (user_id, username) values ('anna', 'Anna')`)
  }
  const { status, stdout, stderr } = await world.run(['migrate'])
  expect(status, stderr).toBe(0)
  expect(stdout.trim()).toBe(
    shipped
      .slice(applied)
      .map((name) => `applied  ${name}`)
      .join('\n'),
  )
  await world.look(async (sql) => {
    expect(await schemaOf(sql)).toEqual(uninterrupted)
    expect(await sql`select user_id from users`).toHaveLength(1)
  })
}

describeServers('rmbg migrate [PostgreSQL]', () => {
  let uninterrupted: string[]
  beforeAll(async () => {
    const world = await serverWorld()
    uninterrupted = await world.look(schemaOf)
    await world.close()
  })

  it.each(migratePlaces)(
    'killed at $at of every migration ends where one that was never killed does',
    async ({ at }) => {
      const world = await serverWorld({ migrated: false })
      await killAtEveryMigration(world, () => at, uninterrupted)
      await world.close()
    },
  )
})

describe('rmbg migrate [embedded database]', () => {
  let world: World
  beforeAll(async () => {
    world = await embeddedWorld()
  })
  afterAll(() => world.close())

  it('killed at every migration, at each place in turn, ends where one that was never killed does', {
    timeout: 300_000,
  }, async () => {
    const uninterrupted = await world.look(schemaOf)
    await rm(join(world.env.RMBG_HOME!, 'database'), { recursive: true })
    await killAtEveryMigration(world, (index) => migratePlaces[index % 3]!.at, uninterrupted)
  })
})
