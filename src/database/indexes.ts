import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'

/** The program's own tables, those that grow coming first. */
export const ownTables = [
  ...['image_process_jobs', 'known_sources', 'image_tags', 'usage_changes', 'tombstones', 'open_jobs'],
  ...['known_keys', 'daily_usage', 'daily_latency', 'processing_stats', 'users', 'tags', 'backups'],
] as const

/**
 * Whether a table is one of ours, or a month or another part of one.
 *
 * @param table alias of its row in pg_class
 */
export const isOwnTable = (sql: postgres.Sql, table: postgres.PendingQuery<postgres.Row[]>) => sql`
  (${table}.relnamespace = current_schema()::regnamespace and (${table}.relname in ${sql(ownTables)}
    or exists (select from pg_inherits h join pg_class p on p.oid = h.inhparent
      where h.inhrelid = ${table}.oid and p.relname in ${sql(ownTables)})))`

/** Makes room for new rows in every table and brings the planner's statistics up to date. Blocks no other session. */
export async function vacuumTables(sql: postgres.Sql, onTable: (table: string) => void): Promise<void> {
  for (const table of ownTables) {
    onTable(table)
    await withDatabase(() => sql`vacuum (analyze) ${sql(table)}`)
  }
}

export interface IndexState {
  name: string
  table: string
  /** Bytes. */
  size: number
  /** Estimated bytes when built anew; null where that cannot be told (GIN, no statistics). */
  ideal: number | null
}

/**
 * Indexes of the program's tables, those first that would shrink most. The estimate is for B-trees: entries of the
 * width that pg_stats tells, in pages filled to 90 %, as a new index has them.
 */
export async function indexStates(sql: postgres.Sql): Promise<IndexState[]> {
  return withDatabase<IndexState>(
    () => sql`
      with own as (
        select i.oid, i.relname as name, i.reltuples, pg_relation_size(i.oid) as size, a.amname,
          t.relname as table, x.indkey, x.indexrelid, x.indexprs is not null as computed
        from pg_index x
        join pg_class i on i.oid = x.indexrelid
        join pg_class t on t.oid = x.indrelid
        join pg_am a on a.oid = i.relam
        where ${isOwnTable(sql, sql`t`)} and t.relkind = 'r' and x.indisvalid
      ), width as (
        select own.oid, sum(s.avg_width) as bytes, count(*) filter (where s.avg_width is null) as unknown
        from own cross join lateral unnest(own.indkey) as k(attnum)
        join pg_index x on x.indexrelid = own.oid
        left join pg_attribute c on c.attrelid = x.indrelid and c.attnum = k.attnum
        left join pg_stats s on s.schemaname = current_schema() and s.tablename = own.table and s.attname = c.attname
        group by own.oid
      )
      select name, "table", size::float8 as size,
        case when amname = 'btree' and not computed and unknown = 0 and reltuples > 0 then
          -- Per entry 4 bytes of line pointer and 8 of header, keys on 8-byte borders; 8,152 usable bytes per page.
          (ceil(reltuples * (12 + 8 * ceil(w.bytes / 8.0)) / (8152 * 0.9)) + 1) * 8192 end::float8 as ideal
      from own left join width w on w.oid = own.oid
      order by size - coalesce(case when amname = 'btree' and not computed and unknown = 0 and reltuples > 0 then
        (ceil(reltuples * (12 + 8 * ceil(w.bytes / 8.0)) / (8152 * 0.9)) + 1) * 8192 end, size) desc, size desc`,
  )
}

/** Half-built indexes that a killed REINDEX CONCURRENTLY left behind: invalid, and called like one of ours. */
export async function leftoverIndexes(sql: postgres.Sql): Promise<string[]> {
  const rows = await withDatabase(
    () => sql`
      select i.relname as name from pg_index x
      join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
      where not x.indisvalid and ${isOwnTable(sql, sql`t`)} and i.relname ~ '_cc(new|old)[0-9]*$'
      order by 1`,
  )
  return rows.map(({ name }) => name)
}

/** Blocks no other session. */
export async function dropIndex(sql: postgres.Sql, name: string): Promise<void> {
  await withDatabase(() => sql`drop index concurrently if exists ${sql(name)}`)
}

/**
 * Rebuilds an index beside the old one and then replaces it. Blocks no other session, and needs disk space for both.
 *
 * @returns the new size in bytes
 */
export async function reindex(sql: postgres.Sql, name: string): Promise<number> {
  // Not through withDatabase: tried again after a lost connection it would pile up leftovers.
  await sql`reindex index concurrently ${sql(name)}`
  const rows = await withDatabase<{ size: number }>(
    () => sql`select pg_relation_size(${name}::regclass)::float8 as size`,
  )
  return one(rows).size
}

/** The server's data folder; undefined when it is on another machine or this role may not see it. */
export async function localDataFolder(sql: postgres.Sql): Promise<string | undefined> {
  const [row] = await withDatabase(
    () => sql`
      select current_setting('data_directory', true) as folder,
        inet_server_addr() is null or inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1' as local`,
  ).catch(() => [undefined])
  return row?.local && row.folder ? row.folder : undefined
}
