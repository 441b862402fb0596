/** What the log says of the space that things take. */
import type postgres from 'postgres'
import type { Database } from './contract.ts'
import { withDatabase } from './errors.ts'
import type { KeptKind } from './kept.ts'
import { one } from './rows.ts'
import { utc } from './sql-time.ts'

export interface ObjectsOfKind {
  objects: number
  bytes: number
}

/**
 * The objects that completed jobs keep; an original that several share counts once. Reads every row once: about a second
 * for a million.
 */
export async function objectsByKind(sql: postgres.Sql): Promise<Record<KeptKind, ObjectsOfKind>> {
  const rows = await withDatabase<Record<KeptKind, ObjectsOfKind>>(
    () => sql`
      select ${countOf(sql, 'original')} as original, ${countOf(sql, 'mask')} as mask,
        ${countOf(sql, 'processed')} as processed
      from image_process_jobs where status = 'completed'`,
  )
  return one(rows)
}

function countOf(sql: postgres.Sql, kind: KeptKind) {
  const counts = () => sql`${kind} = any (kept) ${kind === 'original' ? sql`and not original_shared` : sql``}`
  return sql`
    json_build_object('objects', count(*) filter (where ${counts()}),
      'bytes', coalesce(sum(${sql(`${kind}_bytes`)}) filter (where ${counts()}), 0))`
}

/** Backups that are kept in one place. */
export interface BackupPlace {
  location: string
  backups: number
  /** Of their dumps; copies of objects, which backups share, are not counted. */
  bytes: number
  withObjects: number
  /** ISO 8601, UTC. */
  newest: string
}

/** Where this database's backups are, the place of the newest first. */
export async function backupPlaces(sql: postgres.Sql): Promise<BackupPlace[]> {
  return withDatabase<BackupPlace>(
    () => sql`
      select location, count(*)::float8 as backups, sum(bytes)::float8 as bytes,
        (count(*) filter (where with_objects))::float8 as "withObjects", ${utc(sql, sql`max(created_at)`)} as newest
      from backups where removed_at is null group by location order by max(created_at) desc limit 100`,
  )
}

/** Bytes of the whole database, indexes included, as the server counts them. */
export async function databaseBytes({ sql }: Pick<Database, 'sql'>): Promise<number> {
  const rows = await withDatabase<{ bytes: number }>(
    () => sql`select pg_database_size(current_database())::float8 as bytes`,
  )
  return one(rows).bytes
}
