import { sizeText } from '../../bytes.ts'
import { indexStates, isOwnTable } from '../indexes.ts'
import { type HealthContext, type Look, worst } from './contract.ts'
import { isQueue } from './queues.ts'

/** After more changes than this since the last analyze, the statistics of a table are too old. */
const staleShare = 0.1
/** Below, an estimate is not worth a word. */
const smallBytes = 2 ** 23
/** Whatever its share: less empty room than this in all does no harm. */
const harmlessBytes = 1e9
/** Fewer are vacuumed in a moment. */
const fewDeadRows = 10_000

interface TableState {
  table: string
  size: number
  rows: number
  expected: number | null
  dead: number
  stale: number
  vacuumed: string | null
  analyzed: string | null
  /** Autovacuum leaves this one out. */
  isLeftOut: boolean
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
    greatest(s.last_analyze, s.last_autoanalyze)::text as analyzed,
    exists (select from pg_options_to_table(c.reloptions)
      where option_name = 'autovacuum_enabled' and not option_value::boolean) as "isLeftOut"
  from pg_class c join pg_stat_user_tables s on s.relid = c.oid left join width w on w.tablename = c.relname
  where ${isOwnTable(sql, sql`c`)} and c.relkind = 'r' and (not c.relispartition or pg_relation_size(c.oid) > 0)
  order by 2 desc`

const isTrusted = ({ expected, analyzed, stale, size }: TableState): boolean =>
  size < smallBytes || (expected !== null && analyzed !== null && stale <= staleShare)

interface Bloated {
  kind: 'table' | 'index'
  name: string
  waste: number
  size: number
}

async function bloatedRelations(
  context: HealthContext,
  tables: readonly TableState[],
): Promise<{ relations: Bloated[]; measured: number }> {
  const ofTables = tables.flatMap(({ table: name, size, expected }): Bloated[] =>
    expected === null || size < smallBytes ? [] : [{ kind: 'table', name, size, waste: size - expected }],
  )
  const trusted = new Set(tables.map(({ table }) => table))
  const ofIndexes = (await indexStates(context.sql)).flatMap(({ name, table, size, ideal }): Bloated[] =>
    ideal === null || size < smallBytes || !trusted.has(table)
      ? []
      : [{ kind: 'index', name, size, waste: size - ideal }],
  )
  const all = [...ofTables, ...ofIndexes]
  return {
    relations: all.filter(({ kind, waste, size }) => waste > (kind === 'table' ? 0.2 : 0.3) * size),
    measured: all.reduce((sum, { size }) => sum + size, 0),
  }
}

const bloat: Look = {
  name: 'bloat',
  primaryOnly: true,
  look: async (context) => {
    // A queue is empty between two runs, and what it was is of no use for the next.
    const tables = (await tableStates(context)).filter(({ table }) => !isQueue(table))
    const untrusted = tables.filter((table) => !isTrusted(table)).map(({ table }) => table)
    const { relations, measured } = await bloatedRelations(context, tables.filter(isTrusted))
    const total = relations.reduce((sum, { waste }) => sum + waste, 0)
    const share = (100 * total) / Math.max(measured, 1)
    const withheld = `Withheld for ${untrusted.join(', ')}: statistics are missing or old, and an estimate from them would be wrong.`
    const found =
      total === 0
        ? 'No table or index is notably larger than its rows need.'
        : `About ${sizeText(total)} of tables and indexes are empty room (${share.toFixed(0)}%).`
    return {
      level: worst([
        total < harmlessBytes ? 'ok' : context.judge('bloat', share),
        untrusted.length > 0 ? 'unknown' : 'ok',
      ]),
      summary: untrusted.length > 0 ? withheld : found,
      details: [
        ...(untrusted.length > 0 ? [`Of the others: ${found}`] : []),
        ...relations.map(
          ({ kind, name, waste, size }) =>
            `${kind} ${name}: about ${sizeText(waste)} of ${sizeText(size)}; ${kind === 'table' ? 'new rows will fill it' : 'rmbg reindex gives it back'}`,
        ),
        ...(untrusted.length > 0
          ? ['ANALYZE them (rmbg prune --vacuum), or let the role read pg_stats.']
          : []),
        'An estimate from column widths, not a measurement.',
      ],
      metrics: [
        ...tables.map(({ table, size }) => ({
          ...{ name: 'rmbg_table_bytes', value: size, labels: { table } },
          help: 'Size of the table without its indexes.',
        })),
        ...relations.map(({ name, waste }) => ({
          ...{ name: 'rmbg_bloat_bytes', value: waste, labels: { relation: name } },
          help: 'Estimated empty room in a table or an index.',
        })),
      ],
    }
  },
}

const vacuum: Look = {
  name: 'vacuum',
  primaryOnly: true,
  look: async (context) => {
    const all = await tableStates(context)
    const tables = all.filter(({ table }) => !isQueue(table))
    const levelOf = ({ dead, rows }: TableState) =>
      dead > fewDeadRows ? context.judge('dead-rows', (100 * dead) / Math.max(rows, 1)) : 'ok'
    const due = tables.filter((table) => levelOf(table) !== 'ok')
    const never = tables.filter(({ rows, analyzed }) => rows > 10_000 && analyzed === null)
    const leftOut = all.filter(({ isLeftOut }) => isLeftOut)
    const names = (some: TableState[]) => some.map(({ table }) => table).join(', ')
    const neglected = [
      ...(due.length > 0 ? [`Dead rows pile up in ${names(due)}`] : []),
      ...(never.length > 0 ? [`Never analyzed: ${names(never)}`] : []),
      ...(leftOut.length > 0 ? [`Autovacuum is switched off for ${names(leftOut)}`] : []),
    ]
    const busy = all.filter(({ rows, dead }) => rows > 0 || dead > 0)
    return {
      level: worst([...due.map(levelOf), never.length + leftOut.length > 0 ? 'warn' : 'ok']),
      summary:
        neglected.length === 0 ? 'Dead rows are few, and statistics are kept.' : `${neglected.join('; ')}.`,
      details: [
        ...leftOut.map(
          ({ table }) => `ALTER TABLE ${table} RESET (autovacuum_enabled) switches it on again.`,
        ),
        ...busy.map(
          ({ table, rows, dead, vacuumed, analyzed }) =>
            `${table}: ${rows} rows, ${dead} dead, vacuumed ${vacuumed?.slice(0, 16) ?? 'never'}, analyzed ${analyzed?.slice(0, 16) ?? 'never'}`,
        ),
      ],
      metrics: all.map(({ table, dead }) => ({
        ...{ name: 'rmbg_dead_rows', value: dead, labels: { table } },
        help: 'Rows that are dead and not vacuumed yet.',
      })),
    }
  },
}

export const tableLooks = [bloat, vacuum]
