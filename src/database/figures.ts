import type postgres from 'postgres'
import { databaseError } from './errors.ts'
import { ownTables } from './indexes.ts'
import { one } from './rows.ts'

/** Tables with the same rows have the same figures, regardless of the order of rows. */
export interface TableFigures {
  table: string
  rows: number
  /** Sum over the first 64 bits of each row's MD5, as decimal text. */
  digest: string
}

const tables = [...ownTables, 'schema_migrations', 'usage_state', 'log_conversion', 'gone_months']

/**
 * Counts and digests every table of the program. Rows are digested as text, so the session gets fixed settings for
 * writing values as text. Reads everything once: seconds per million jobs.
 *
 * @param connection one session, as `sql.reserve()` gives it, or an embedded database
 */
export async function tableFigures(connection: postgres.Sql): Promise<TableFigures[]> {
  try {
    await connection`
      select set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO, YMD', false),
        set_config('bytea_output', 'hex', false), set_config('extra_float_digits', '1', false)`
    const figures: TableFigures[] = []
    for (const table of tables) {
      const found = await connection<{ rows: number; digest: string }[]>`
        select count(*)::float8 as rows,
          coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint), 0)::text as digest
        from ${connection(table)} t`
      figures.push({ table, ...one(found) })
    }
    return figures
  } catch (cause) {
    throw databaseError(cause)
  }
}

/** One phrase for each table that differs; empty when none does. */
export function differences(expected: readonly TableFigures[], found: readonly TableFigures[]): string[] {
  return expected.flatMap(({ table, rows, digest }) => {
    const other = found.find((figures) => figures.table === table)
    if (!other) return `${table} is missing`
    if (other.rows !== rows) return `${table} has ${other.rows} rows instead of ${rows}`
    return other.digest === digest ? [] : `${table} has other rows than it should`
  })
}
