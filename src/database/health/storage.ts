import { sizeText } from '../../bytes.ts'
import { indexStates, ownTables } from '../indexes.ts'
import { one } from '../rows.ts'
import { type HealthContext, type Look, levelOf } from './contract.ts'
import { counted } from './words.ts'

/** With fewer blocks read than this a ratio says nothing. */
const enoughBlocks = 10_000
/** After more changes than this since the last analyze, the statistics of a table are too old. */
const staleShare = 0.1

const cacheHits: Look = {
  name: 'cache-hits',
  look: async ({ sql }) => {
    const { hit, all, since } = one(
      await sql`
        select blks_hit::float8 as hit, (blks_hit + blks_read)::float8 as all, stats_reset::text as since
        from pg_stat_database where datname = current_database()`,
    )
    if (all < enoughBlocks) {
      return {
        level: 'ok',
        summary: `Too few blocks were read yet (${all}) to tell how often they were cached.`,
        details: [],
        metrics: [],
      }
    }
    const ratio = (100 * hit) / all
    return {
      level: ratio < 90 ? 'crit' : ratio < 99 ? 'warn' : 'ok',
      summary: `${ratio.toFixed(1)}% of ${all.toLocaleString('en')} blocks came from shared_buffers.`,
      details: [
        ...(since ? [`Counted since ${since.slice(0, 16)}.`] : []),
        ...(ratio < 99 ? ['Raise shared_buffers, or look for queries that read whole tables.'] : []),
      ],
      metrics: [
        { name: 'rmbg_cache_hit_ratio', value: hit / all, help: 'Blocks found in shared_buffers, of all.' },
        { name: 'rmbg_blocks_read_total', value: all, help: 'The denominator of the hit ratio.' },
      ],
    }
  },
}

interface TableState {
  table: string
  size: number
  rows: number
  expected: number | null
  dead: number
  stale: number
  vacuumed: string | null
  analyzed: string | null
}

/**
 * Tables with an estimate of what their rows would take packed tightly: header and line pointer, columns of the width
 * that pg_stats tells, on 8-byte borders.
 */
const tableStates = ({ sql }: HealthContext) => sql<TableState[]>`
  with width as (
    select tablename, sum(avg_width * (1 - null_frac)) as bytes, max(null_frac) as nulls, count(*) as columns
    from pg_stats where schemaname = current_schema() group by 1
  )
  select c.relname as table, pg_relation_size(c.oid)::float8 as size, greatest(c.reltuples, 0)::float8 as rows,
    case when w.columns > 0 and c.reltuples > 0 then
      ceil(c.reltuples * (28 + 8 * ceil((w.bytes + case when w.nulls > 0 then ceil(w.columns / 8.0) else 0 end) / 8))
        / 8168) * 8192 end::float8 as expected,
    s.n_dead_tup::float8 as dead, (s.n_mod_since_analyze / greatest(c.reltuples, 1))::float8 as stale,
    greatest(s.last_vacuum, s.last_autovacuum)::text as vacuumed,
    greatest(s.last_analyze, s.last_autoanalyze)::text as analyzed
  from pg_class c join pg_stat_user_tables s on s.relid = c.oid left join width w on w.tablename = c.relname
  where c.relname in ${sql(ownTables)} and c.relnamespace = current_schema()::regnamespace
  order by 2 desc`

const bloat: Look = {
  name: 'bloat',
  look: async (context) => {
    const tables = await tableStates(context)
    const isTrusted = ({ expected, analyzed, stale, size }: TableState) =>
      size < 2 ** 23 || (expected !== null && analyzed !== null && stale <= staleShare)
    const untrusted = tables.filter((table) => !isTrusted(table))
    const wasted = tables.flatMap((table) => {
      const waste = table.expected === null ? 0 : table.size - table.expected
      return isTrusted(table) && table.size >= 2 ** 23 && waste > 0.2 * table.size
        ? [{ name: table.table, waste, size: table.size }]
        : []
    })
    const stale = new Set(untrusted.map(({ table }) => table))
    const indexes = (await indexStates(context.sql)).flatMap(({ name, size, ideal }) => {
      const waste = ideal === null ? 0 : size - ideal
      const table = [...stale].find((owner) => name.startsWith(owner))
      return table === undefined && size >= 2 ** 23 && waste > 0.3 * size ? [{ name, waste, size }] : []
    })
    const total = [...wasted, ...indexes].reduce((sum, { waste }) => sum + waste, 0)
    return {
      level: untrusted.length > 0 ? 'unknown' : levelOf(total, { warn: 1e9, crit: 5e9 }),
      summary:
        untrusted.length > 0
          ? `Withheld for ${untrusted.map(({ table }) => table).join(', ')}: statistics are missing or old, and an estimate from them would be wrong.`
          : total === 0
            ? 'No table or index is notably larger than its rows need.'
            : `About ${sizeText(total)} of tables and indexes are empty room.`,
      details: [
        ...wasted.map(
          ({ name, waste, size }) =>
            `table ${name}: about ${sizeText(waste)} of ${sizeText(size)}; new rows will fill it`,
        ),
        ...indexes.map(
          ({ name, waste, size }) =>
            `index ${name}: about ${sizeText(waste)} of ${sizeText(size)}; rmbg reindex gives it back`,
        ),
        ...(untrusted.length > 0
          ? ['ANALYZE them (rmbg prune --vacuum), or let the role read pg_stats.']
          : []),
        'An estimate from column widths, not a measurement.',
      ],
      metrics: [
        ...tables.map(({ table, size }) => ({
          name: 'rmbg_table_bytes',
          value: size,
          labels: { table },
          help: 'Size of the table without its indexes.',
        })),
        ...(untrusted.length === 0
          ? [{ name: 'rmbg_bloat_bytes', value: total, help: 'Estimated empty room in tables and indexes.' }]
          : []),
      ],
    }
  },
}

const vacuum: Look = {
  name: 'vacuum',
  look: async (context) => {
    const tables = await tableStates(context)
    const due = tables.filter(({ dead, rows }) => dead > 10_000 && dead > 0.2 * rows)
    const never = tables.filter(({ rows, analyzed }) => rows > 10_000 && analyzed === null)
    const names = (some: TableState[]) => some.map(({ table }) => table).join(', ')
    const neglected = [
      ...(due.length > 0 ? [`Dead rows pile up in ${names(due)}`] : []),
      ...(never.length > 0 ? [`Never analyzed: ${names(never)}`] : []),
    ]
    const busy = tables.filter(({ rows, dead }) => rows > 0 || dead > 0)
    return {
      level: due.some(({ dead, rows }) => dead > rows)
        ? 'crit'
        : due.length + never.length > 0
          ? 'warn'
          : 'ok',
      summary:
        neglected.length === 0 ? 'Dead rows are few, and statistics are kept.' : `${neglected.join('; ')}.`,
      details: busy.map(
        ({ table, rows, dead, vacuumed, analyzed }) =>
          `${table}: ${rows} rows, ${dead} dead, vacuumed ${vacuumed?.slice(0, 16) ?? 'never'}, analyzed ${analyzed?.slice(0, 16) ?? 'never'}`,
      ),
      metrics: tables.map(({ table, dead }) => ({
        name: 'rmbg_dead_rows',
        value: dead,
        labels: { table },
        help: 'Rows that are dead and not vacuumed yet.',
      })),
    }
  },
}

const indexes: Look = {
  name: 'indexes',
  look: async ({ sql }) => {
    const unused = await sql<{ name: string; size: number }[]>`
      select i.relname as name, pg_relation_size(i.oid)::float8 as size
      from pg_stat_user_indexes s join pg_index x on x.indexrelid = s.indexrelid join pg_class i on i.oid = s.indexrelid
      where s.idx_scan = 0 and not x.indisunique and pg_relation_size(i.oid) > 1048576
        and s.relname in ${sql(ownTables)} order by 2 desc`
    const invalid = await sql<{ name: string }[]>`
      select i.relname as name from pg_index x join pg_class i on i.oid = x.indexrelid
      join pg_class t on t.oid = x.indrelid
      where not x.indisvalid and t.relname in ${sql(ownTables)} order by 1`
    const duplicates = await sql<{ names: string[] }[]>`
      select json_agg(i.relname order by i.relname) as names
      from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
      where t.relname in ${sql(ownTables)} and x.indisvalid
      group by x.indrelid, x.indkey::text, x.indclass::text, x.indcollation::text, x.indoption::text, i.relam,
        pg_get_expr(x.indexprs, x.indrelid), pg_get_expr(x.indpred, x.indrelid)
      having count(*) > 1`
    const [reset] = await sql`
      select stats_reset::text as since from pg_stat_database where datname = current_database()`
    const wasted = unused.reduce((sum, { size }) => sum + size, 0)
    return {
      level:
        invalid.length > 0 || duplicates.length > 0 ? 'warn' : levelOf(wasted, { warn: 5e9, crit: 1e15 }),
      summary: `${counted(invalid.length, 'invalid index', 'invalid indexes')}, ${counted(duplicates.length, 'pair')} of duplicates, ${counted(unused.length, 'index', 'indexes')} of more than 1 MB never used.`,
      details: [
        ...invalid.map(({ name }) => `invalid: ${name}; rmbg reindex drops what a killed REINDEX left`),
        ...duplicates.map(({ names }) => `the same: ${names.join(', ')}`),
        ...unused.map(
          ({ name, size }) =>
            `unused: ${name}, ${sizeText(size)}, since ${reset?.since?.slice(0, 16) ?? 'counting began'}`,
        ),
      ],
      metrics: [
        {
          name: 'rmbg_invalid_indexes',
          value: invalid.length,
          help: 'Indexes that no query uses and writes maintain.',
        },
        { name: 'rmbg_unused_index_bytes', value: wasted, help: 'Size of indexes that were never scanned.' },
      ],
    }
  },
}

const wraparound: Look = {
  name: 'wraparound',
  look: async ({ sql }) => {
    const { xid, multixact, freeze } = one(
      await sql`
        select max(age(c.relfrozenxid))::float8 as xid, max(mxid_age(c.relminmxid))::float8 as multixact,
          current_setting('autovacuum_freeze_max_age')::float8 as freeze
        from pg_class c where c.relkind in ('r', 't', 'm')`,
    )
    const oldest = Math.max(xid, multixact)
    return {
      level: levelOf(oldest, { warn: freeze + 2e8, crit: 1.5e9 }),
      summary: `The oldest transaction is ${Math.round(xid / 1e6)} million transactions old, ${((100 * oldest) / 2 ** 31).toFixed(0)}% of what the server can count.`,
      details:
        oldest > freeze
          ? [
              'Autovacuum should have frozen it: look for long transactions and prepared ones, then VACUUM (FREEZE).',
            ]
          : [],
      metrics: [
        { name: 'rmbg_oldest_xid_age', value: xid, help: 'Age of the oldest unfrozen transaction.' },
        { name: 'rmbg_oldest_multixact_age', value: multixact, help: 'Age of the oldest multixact.' },
      ],
    }
  },
}

export const storageLooks = [cacheHits, bloat, vacuum, indexes, wraparound]
