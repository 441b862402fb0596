import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { isOwnTable } from './indexes.ts'
import { one } from './rows.ts'

/** What our tables take on the database's disk, in bytes: `rows` without indexes, `total` with them. */
export async function ownBytes(sql: postgres.Sql): Promise<{ rows: number; total: number }> {
  return one(
    await withDatabase(
      () => sql<{ rows: number; total: number }[]>`
        select coalesce(sum(pg_table_size(c.oid)), 0)::float8 as rows,
          coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as total
        from pg_class c where c.relkind = 'r' and ${isOwnTable(sql, sql`c`)}`,
    ),
  )
}
