import type postgres from 'postgres'
import { databaseError } from './errors.ts'
import { shippedMigrations } from './migrate.ts'

/** Names of what the migrations create, by the kind that CREATE and pg_dump call it. */
export type OwnNames = ReadonlyMap<string, ReadonlySet<string>>

/** Where this program's own objects are in a database: what a dump of it holds, and what it needs to be restored. */
export interface OwnObjects {
  schemas: string[]
  extensions: { name: string; schema: string }[]
}

/** A relation that is somebody else's and in one of our schemas. */
export interface ForeignRelation {
  schema: string
  name: string
}

const creation =
  /^\s*create\s+(?:or\s+replace\s+)?(?:unlogged\s+)?(table|view|materialized view|function|procedure|type|domain|sequence|trigger)\s+(?:if\s+not\s+exists\s+)?"?(\w+)/gim
const extension = /^\s*create\s+extension\s+(?:if\s+not\s+exists\s+)?"?(\w+)/gim

/**
 * What is the program's own, read from its migrations: they are never edited, so a backup of an earlier release holds
 * nothing that they do not name.
 */
export async function ownNames(): Promise<OwnNames> {
  // Made by whoever applies the first migration.
  const names = new Map<string, Set<string>>([['TABLE', new Set(['schema_migrations'])]])
  for (const { sql } of await shippedMigrations()) {
    for (const [, kind = '', name = ''] of sql.matchAll(creation)) {
      const known = names.get(kind.toUpperCase()) ?? new Set()
      names.set(kind.toUpperCase(), known.add(name.toLowerCase()))
    }
    for (const [, name = ''] of sql.matchAll(extension)) {
      names.set('EXTENSION', (names.get('EXTENSION') ?? new Set()).add(name.toLowerCase()))
    }
  }
  return names
}

const namesOf = (names: OwnNames, ...kinds: string[]): string[] =>
  kinds.flatMap((kind) => [...(names.get(kind) ?? [])])
const relations = ['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE']

/** Where our own tables and extensions are, as this session sees them. */
export async function ownObjects(connection: postgres.Sql, names: OwnNames): Promise<OwnObjects> {
  try {
    const schemas = await connection<{ schema: string }[]>`
      select distinct n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relname in ${connection(namesOf(names, 'TABLE'))} and c.relkind in ('r', 'p') and pg_table_is_visible(c.oid)`
    const extensions = await connection<OwnObjects['extensions']>`
      select extname as name, nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
      where extname in ${connection(namesOf(names, 'EXTENSION'))} order by extname`
    return { schemas: schemas.map(({ schema }) => schema), extensions: [...extensions] }
  } catch (cause) {
    throw databaseError(cause)
  }
}

/**
 * What others keep in our schemas: tables, views and sequences that no migration made, no table of ours owns and no
 * extension brought (pg_dump leaves those out by itself).
 */
export async function foreignRelations(
  connection: postgres.Sql,
  { schemas }: OwnObjects,
  names: OwnNames,
): Promise<ForeignRelation[]> {
  const own = connection(namesOf(names, ...relations))
  try {
    return await connection<ForeignRelation[]>`
      select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname in ${connection(schemas)} and c.relname not in ${own}
        -- A month of the log, in it or taken out of it.
        and not exists (select from pg_inherits h join pg_class p on p.oid = h.inhparent
          where h.inhrelid = c.oid and p.relname in ${own})
        and c.relname !~ '^gone_jobs_[0-9]+$'
        and not exists (
          select from pg_depend d left join pg_class t on t.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
          where d.classid = 'pg_class'::regclass and d.objid = c.oid
            and (d.deptype = 'e' or (c.relkind = 'S' and d.deptype in ('a', 'i') and t.relname in ${own})))
      order by 1, 2`
  } catch (cause) {
    throw databaseError(cause)
  }
}
