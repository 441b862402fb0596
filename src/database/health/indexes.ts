import { sizeText } from '../../bytes.ts'
import { isOwnTable, ownTables } from '../indexes.ts'
import { type HealthContext, type Look, worst } from './contract.ts'
import { counted } from './words.ts'

interface IndexShape {
  table: string
  name: string
  size: number
  isValid: boolean
  /** It holds a rule, which another index would not. */
  isRule: boolean
  /** A B-tree over plain columns, with nothing but keys in it. */
  isPlain: boolean
  /** Of a plain one: column, operator class, collation and order of each key. */
  keys: string[]
  /** All that it is, but its name. */
  definition: string
  predicate: string
}

const shapes = ({ sql }: HealthContext) => sql<IndexShape[]>`
  select t.relname as table, i.relname as name, x.indisvalid as "isValid",
    coalesce((select sum(pg_relation_size(p.relid)) from pg_partition_tree(i.oid) p where i.relkind = 'I'),
      pg_relation_size(i.oid))::float8 as size,
    x.indisunique or exists (select from pg_constraint c where c.conindid = i.oid) as "isRule",
    a.amname = 'btree' and x.indexprs is null and x.indnatts = x.indnkeyatts as "isPlain",
    (select json_agg(concat_ws(' ', x.indkey[n], x.indclass[n], x.indcollation[n], x.indoption[n]) order by n)
      from generate_series(0, x.indnkeyatts - 1) n) as keys,
    concat_ws('; ', x.indkey::text, x.indclass::text, x.indcollation::text, x.indoption::text, a.amname,
      pg_get_expr(x.indexprs, x.indrelid)) as definition,
    coalesce(pg_get_expr(x.indpred, x.indrelid), '') as predicate
  from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
  join pg_am a on a.oid = i.relam
  -- The months of a log have the indexes of the whole.
  where t.relname in ${sql(ownTables)} and t.relnamespace = current_schema()::regnamespace
    or ${isOwnTable(sql, sql`t`)} and not x.indisvalid
  order by 2`

/** Indexes that do the same, by name. */
function duplicatesOf(indexes: readonly IndexShape[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const { table, name, definition, predicate } of indexes) {
    const key = [table, definition, predicate].join('\n')
    groups.set(key, [...(groups.get(key) ?? []), name])
  }
  return [...groups.values()].filter((names) => names.length > 1)
}

/** Indexes whose keys another one begins with: it serves the same queries. */
function coveredIndexes(indexes: readonly IndexShape[]) {
  return indexes.flatMap((index) => {
    if (!index.isPlain || index.isRule) return []
    const by = indexes.find(
      (other) =>
        other.isPlain &&
        other.table === index.table &&
        other.predicate === index.predicate &&
        other.keys.length > index.keys.length &&
        index.keys.every((key, position) => other.keys[position] === key),
    )
    return by ? [{ ...index, by: by.name }] : []
  })
}

const invalidHint = (name: string): string =>
  /_cc(new|old)\d*$/.test(name)
    ? `invalid: ${name}; rmbg reindex drops what a killed REINDEX left`
    : `invalid: ${name}; REINDEX INDEX CONCURRENTLY ${name} builds it again, DROP INDEX CONCURRENTLY ${name} removes it`

/** A standby counts its own scans, which are not those of the primary. */
const unusedIndexes = async ({ sql, isStandby }: HealthContext) =>
  isStandby
    ? []
    : await sql<{ name: string; size: number }[]>`
        select min(coalesce(w.relname, i.relname)) as name, sum(pg_relation_size(i.oid))::float8 as size
        from pg_stat_user_indexes s join pg_index x on x.indexrelid = s.indexrelid
        join pg_class i on i.oid = s.indexrelid join pg_class t on t.oid = s.relid
        -- Of all months together: an old one may be asked for little.
        left join pg_inherits h on h.inhrelid = i.oid left join pg_class w on w.oid = h.inhparent
        where not x.indisunique and ${isOwnTable(sql, sql`t`)}
        group by coalesce(w.oid, i.oid)
        having sum(s.idx_scan) = 0 and sum(pg_relation_size(i.oid)) > 1048576 order by 2 desc`

const total = (indexes: readonly { size: number }[]): number =>
  indexes.reduce((sum, { size }) => sum + size, 0)

export const indexLook: Look = {
  name: 'indexes',
  look: async (context) => {
    const all = await shapes(context)
    const valid = all.filter(({ isValid }) => isValid)
    const invalid = all.filter(({ isValid }) => !isValid)
    const duplicates = duplicatesOf(valid)
    const covered = coveredIndexes(valid)
    const unused = (await unusedIndexes(context)).filter(
      ({ name }) => !covered.some((index) => index.name === name),
    )
    const [reset] = await context.sql`
      select stats_reset::text as since from pg_stat_database where datname = current_database()`
    const since = reset?.since?.slice(0, 16) ?? 'counting began'
    return {
      level: worst([
        invalid.length + duplicates.length > 0 ? 'warn' : 'ok',
        context.judge('index-waste', total(covered) + total(unused)),
      ]),
      summary: `${counted(invalid.length, 'invalid index', 'invalid indexes')}, ${counted(duplicates.length, 'set')} of duplicates, ${covered.length} covered by others, ${unused.length} of more than 1 MB never used.`,
      details: [
        ...invalid.map(({ name }) => invalidHint(name)),
        ...duplicates.map((names) => `the same: ${names.join(', ')}`),
        ...covered.map(
          ({ name, by, size }) => `covered: ${name}, ${sizeText(size)}; ${by} serves its queries`,
        ),
        ...unused.map(({ name, size }) => `unused: ${name}, ${sizeText(size)}, since ${since}`),
      ],
      metrics: [
        {
          ...{ name: 'rmbg_invalid_indexes', value: invalid.length },
          help: 'Indexes that no query uses and writes maintain.',
        },
        {
          ...{
            name: 'rmbg_duplicate_indexes',
            value: duplicates.reduce((sum, names) => sum + names.length - 1, 0),
          },
          help: 'Indexes that do what another one does.',
        },
        {
          name: 'rmbg_covered_index_bytes',
          value: total(covered),
          help: 'Size of indexes that others cover.',
        },
        {
          name: 'rmbg_unused_index_bytes',
          value: total(unused),
          help: 'Size of indexes that were never scanned.',
        },
      ],
    }
  },
}
