/** `rmbg migrate`, killed before, in and after migrations: every single one in long mode. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { shippedMigrations } from '../../src/database/migrate.ts'
import { describeServers } from '../support/fixture-installation.ts'
import { isLong } from '../support/long-mode.ts'
import { migrateKillPoints } from './kill-points.ts'
import { embeddedVariant, killedAt, serverVariant, type Variant } from './variants.ts'

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
/** Outside of long mode every third migration is killed, another third at each place. */
const stride = isLong ? 1 : 3

async function killAtEveryMigration(
  variant: Variant,
  { at, first = 0 }: { at: (kill: number) => string; first?: number },
  uninterrupted: string[],
) {
  let applied = 0
  let isUserMade = false
  for (let kill = 0; ; kill++) {
    const place = at(kill)
    const whole = place === 'migrate:committed'
    if (applied + stride > shipped.length - (whole ? 0 : 1)) break
    // A run that gets past what killed the one before is killed at a migration behind it.
    const passage = kill === 0 ? (first % stride) + 1 : whole ? stride : stride + 1
    await killedAt(variant, `${place}@${passage}`, ['migrate'])
    applied += whole ? passage : passage - 1
    // What is written while the schema is half way there stays.
    if (!isUserMade && applied > 5) {
      isUserMade = true
      await variant.change((sql) => sql`insert into users (user_id, username) values ('anna', 'Anna')`)
    }
  }
  const { status, stdout, stderr } = await variant.run(['migrate'])
  expect(status, stderr).toBe(0)
  expect(stdout.trim()).toBe(
    shipped
      .slice(applied)
      .map((name) => `applied  ${name}`)
      .join('\n'),
  )
  await variant.look(async (sql) => {
    expect(await schemaOf(sql)).toEqual(uninterrupted)
    expect(await sql`select user_id from users`).toHaveLength(1)
  })
}

describeServers('rmbg migrate [PostgreSQL]', () => {
  let uninterrupted: string[]
  beforeAll(async () => {
    const variant = await serverVariant()
    uninterrupted = await variant.look(schemaOf)
    await variant.close()
  })

  it.each(migrateKillPoints)(
    'killed at $at of every migration ends where one that was never killed does',
    async ({ at }) => {
      const variant = await serverVariant({ migrated: false })
      const first = migrateKillPoints.findIndex((killPoint) => killPoint.at === at)
      await killAtEveryMigration(variant, { at: () => at, first }, uninterrupted)
      await variant.close()
    },
  )
})

describe('rmbg migrate [embedded database]', () => {
  let variant: Variant
  beforeAll(async () => {
    variant = await embeddedVariant()
  })
  afterAll(() => variant.close())

  it('killed at every migration, at each place in turn, ends where one that was never killed does', {
    timeout: 300_000,
  }, async () => {
    const uninterrupted = await variant.look(schemaOf)
    await rm(join(variant.env.RMBG_HOME!, 'database'), { recursive: true })
    await killAtEveryMigration(variant, { at: (kill) => migrateKillPoints[kill % 3]!.at }, uninterrupted)
  })
})
