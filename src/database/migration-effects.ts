/**
 * What pending migrations will block, told from their text and the sizes of the tables, before anything is touched.
 * Only for the SQL of migrations/: a test holds that every statement in there is understood.
 */
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import type { Migration } from './migrate.ts'

/** `reads` stands for reads and writes. */
export type Blocked = 'reads' | 'writes' | 'nobody'

/** How a migration holds on to a table that is there. */
export interface MigrationEffect {
  migration: string
  table: string
  blocks: Blocked
  /** Bytes of the table without its indexes. */
  bytes: number
  /** For how long, very roughly; 0 for a moment. */
  seconds: number
}

/** How much of a table a statement goes through. */
type Work = 'none' | 'scan' | 'index' | 'rewrite' | 'update'

interface Step {
  /** Undefined where it touches no table that could be in use. */
  table?: string
  /** Of an index; its table is asked for. */
  index?: string
  blocks: Blocked
  work: Work
}

const name = String.raw`(?:only\s+)?(\w+)`

/** In this order: the first that matches tells. */
const kinds: [RegExp, (found: RegExpExecArray) => Step | Step[]][] = [
  [
    /^create (?:extension|table|(?:or replace )?(?:function|view)|type|sequence)\b/,
    ({ input }) => referenced(input),
  ],
  // A block of code (do) can hold anything; ours change functions and rights.
  [/^(?:insert into|select|analyze|comment on|drop function|grant|revoke|do)\b/, () => []],
  [
    new RegExp(`^create (?:unique )?index concurrently (?:if not exists )?\\w+ on ${name}`),
    ([, table = '']) => ({ table, blocks: 'nobody', work: 'index' }),
  ],
  [
    new RegExp(`^create (?:unique )?index (?:if not exists )?\\w+ on ${name}`),
    ([, table = '']) => ({ table, blocks: 'writes', work: 'index' }),
  ],
  [
    new RegExp(`^create trigger \\w+ .*? on ${name}`),
    ([, table = '']) => ({ table, blocks: 'writes', work: 'none' }),
  ],
  [
    new RegExp(`^drop (?:trigger|policy) (?:if exists )?\\w+ on ${name}`),
    ([, table = '']) => ({ table, blocks: 'reads', work: 'none' }),
  ],
  [
    new RegExp(`^lock table ${name} in (?:share|share row exclusive|exclusive) mode`),
    ([, table = '']) => ({ table, blocks: 'writes', work: 'none' }),
  ],
  [
    new RegExp(`^lock table ${name} in access exclusive mode`),
    ([, table = '']) => ({ table, blocks: 'reads', work: 'none' }),
  ],
  [/^drop index concurrently\b/, () => []],
  [
    /^drop index (?:if exists )?(.*)$/,
    ([, indexes = '']) =>
      indexes.split(',').map((index) => ({ index: index.trim(), blocks: 'reads', work: 'none' })),
  ],
  [
    new RegExp(`^drop table (?:if exists )?${name}`),
    ([, table = '']) => ({ table, blocks: 'reads', work: 'none' }),
  ],
  [
    new RegExp(`^(?:update|delete from) ${name}`),
    ([, table = '']) => ({ table, blocks: 'writes', work: 'update' }),
  ],
  [
    new RegExp(`^alter table (?:if exists )?${name} (.*)$`),
    ([, table = '', actions = '']) => [{ table, ...altering(actions) }, ...referenced(actions)],
  ],
]

/** A foreign key keeps writers of the table that it refers to away. */
const referenced = (sql: string): Step[] =>
  [...sql.matchAll(/\breferences (\w+)/g)].map(([, table]) => ({
    ...(table !== undefined && { table }),
    blocks: 'writes',
    work: 'none',
  }))

function altering(actions: string): Pick<Step, 'blocks' | 'work'> {
  if (/^validate constraint \w+$/.test(actions)) return { blocks: 'nobody', work: 'scan' }
  if (/^set \(/.test(actions)) return { blocks: 'nobody', work: 'none' }
  const blocks = 'reads'
  if (/\balter column \w+ (?:set data )?type\b/.test(actions)) return { blocks, work: 'rewrite' }
  if (/\b(?:unique|primary key)\b/.test(actions)) return { blocks, work: 'index' }
  const isChecked = /\badd constraint\b/.test(actions) && !/\bnot valid\b/.test(actions)
  return { blocks, work: isChecked || /\bset not null\b/.test(actions) ? 'scan' : 'none' }
}

/**
 * The steps of a migration.
 *
 * @throws TypeError when a statement is of no kind that is known here
 */
export function stepsOf({ name, sql }: Pick<Migration, 'name' | 'sql'>): Step[] {
  const statements = sql
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/\$(\w*)\$.*?\$\1\$/gs, "''")
    .split(';')
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim().toLowerCase())
    .filter(Boolean)
  return statements.flatMap((statement) => {
    for (const [pattern, stepOf] of kinds) {
      const found = pattern.exec(statement)
      if (found) return stepOf(found)
    }
    throw new TypeError(`${name} has a statement of an unknown kind: ${statement.slice(0, 60)}`)
  })
}

/** Bytes a second, as a server of four cores and an SSD does, in good company; rows for an update with its indexes. */
const rate = { scan: 200e6, index: 20e6, rewrite: 20e6, update: 2000 }
/** Less than this is a moment. */
const momentSeconds = 1

interface Size {
  table: string
  indexes: string[]
  bytes: number
  indexBytes: number
  rows: number
}

function secondsOf(work: Work, { bytes, indexBytes, rows }: Size): number {
  if (work === 'none') return 0
  if (work === 'update') return rows / rate.update
  if (work === 'rewrite') return bytes / rate.rewrite + indexBytes / rate.index
  return bytes / rate[work]
}

/**
 * What pending migrations do to the tables that are there. A lock is held until its migration ends, so it lasts for what
 * comes after it as well.
 */
export async function migrationEffects(
  sql: postgres.Sql,
  pending: readonly Migration[],
): Promise<MigrationEffect[]> {
  const sizes = await tableSizes(sql)
  return pending.flatMap((migration) => effectsOf(migration, sizes))
}

function effectsOf(migration: Migration, sizes: readonly Size[]): MigrationEffect[] {
  const effects = new Map<string, MigrationEffect>()
  for (const { table, index, blocks, work } of stepsOf(migration)) {
    const size = sizes.find((one) => one.table === table || (index && one.indexes.includes(index)))
    if (!size) continue
    const effect = effects.get(size.table)
    if (!effect || strength[blocks] > strength[effect.blocks]) {
      const { table, bytes } = size
      effects.set(table, {
        ...{ migration: migration.name, table, bytes, seconds: effect?.seconds ?? 0 },
        blocks,
      })
    }
    const seconds = secondsOf(work, size)
    for (const held of migration.transaction ? effects.values() : [effects.get(size.table)]) {
      if (held) held.seconds += seconds
    }
  }
  return [...effects.values()].map((effect) => ({
    ...effect,
    seconds: effect.seconds < momentSeconds ? 0 : Math.round(effect.seconds),
  }))
}

const strength: Record<Blocked, number> = { nobody: 0, writes: 1, reads: 2 }

async function tableSizes(sql: postgres.Sql): Promise<Size[]> {
  return withDatabase<Size>(
    () => sql`
      select c.relname as table, pg_table_size(c.oid)::float8 as bytes, pg_indexes_size(c.oid)::float8 as "indexBytes",
        greatest(c.reltuples, 0)::float8 as rows,
        coalesce((select json_agg(i.relname) from pg_index x join pg_class i on i.oid = x.indexrelid
          where x.indrelid = c.oid), '[]') as indexes
      from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace`,
  )
}
