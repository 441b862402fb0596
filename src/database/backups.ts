import type postgres from 'postgres'
import { databaseError, withDatabase } from './errors.ts'
import type { KeptKind } from './kept.ts'
import { one, pagesById } from './rows.ts'
import { hasSharedKey } from './shared-originals.ts'
import { utc } from './sql-time.ts'

/** An object that a completed job refers to. */
export interface ReferredObject {
  key: string
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
}

/**
 * The objects of one kind of all completed jobs under their own ids, in the order of their keys; flat memory. Originals
 * under the ids of other jobs are `sharedOriginals`.
 *
 * @param connection a session, which may be in a transaction of its own
 */
export function referredObjects(connection: postgres.Sql, kind: KeptKind): AsyncGenerator<ReferredObject> {
  const path = connection(`${kind}_path`)
  const bytes = connection(`${kind}_bytes`)
  const sha256 = connection(kind === 'original' ? 'content_sha256' : `${kind}_sha256`)
  const isOwn =
    kind === 'original' ? connection`not ${hasSharedKey(connection, connection`j`)}` : connection`true`
  return pagesById<ReferredObject & { jobId: string }>((after) =>
    connection<(ReferredObject & { jobId: string })[]>`
      select job_id as "jobId", ${path} as key, ${bytes}::float8 as size, encode(${sha256}, 'hex') as sha256
      from image_process_jobs j
      where job_id > ${after} and status = 'completed' and ${kind} = any (kept) and ${sha256} is not null and ${isOwn}
      order by job_id limit 2000`.catch((cause) => Promise.reject(databaseError(cause))),
  )
}

/** How many objects the completed jobs refer to, and their bytes; an original that several share counts once. */
export async function countReferredObjects(
  connection: postgres.Sql,
): Promise<{ count: number; bytes: number }> {
  const rows = await connection<{ count: number; bytes: number }[]>`
    select count(*)::float8 as count, coalesce(sum(bytes), 0)::float8 as bytes
    from image_process_jobs
    cross join lateral (values ('original', original_bytes), ('mask', mask_bytes), ('processed', processed_bytes))
      object (kind, bytes)
    where status = 'completed' and kind = any (kept) and not (kind = 'original' and original_shared)`.catch(
    (cause) => Promise.reject(databaseError(cause)),
  )
  return one(rows)
}

/** The kept objects of some completed jobs, chosen at random. */
export async function sampleObjects(connection: postgres.Sql, jobs: number): Promise<ReferredObject[]> {
  const rows = await connection<{ objects: ReferredObject[] }[]>`
    with sample as (
      select * from image_process_jobs
      where status = 'completed' and processed_sha256 is not null and kept <> '{}' order by random() limit ${jobs}
    )
    select (
      select json_agg(json_build_object('key', key, 'size', size, 'sha256', encode(sha256, 'hex')))
      from (values ('original', original_path, original_bytes, content_sha256), ('mask', mask_path, mask_bytes,
        mask_sha256), ('processed', processed_path, processed_bytes, processed_sha256)) object (kind, key, size, sha256)
      where kind = any (kept)
    ) as objects
    from sample`.catch((cause) => Promise.reject(databaseError(cause)))
  return rows.flatMap(({ objects }) => objects)
}

export interface RecordedBackup {
  backupId: string
  location: string
  createdAt: string
  bytes: number
  withObjects: boolean
  drilledAt: string | null
}

/** Remembers a backup in the database it was taken of: prune tells which backups still refer to a job. */
export async function recordBackup(sql: postgres.Sql, backup: RecordedBackup): Promise<void> {
  const { backupId, location, createdAt, bytes, withObjects, drilledAt } = backup
  await withDatabase(
    () => sql`
      insert into backups (backup_id, location, created_at, bytes, with_objects, drilled_at)
      values (${backupId}, ${location}, ${createdAt}::text::timestamptz, ${bytes}, ${withObjects},
        ${drilledAt}::text::timestamptz)
      on conflict (backup_id) do update set drilled_at = excluded.drilled_at`,
  )
}

export async function forgetBackups(sql: postgres.Sql, backupIds: readonly string[]): Promise<void> {
  if (backupIds.length === 0) return
  await withDatabase(() => sql`update backups set removed_at = now() where backup_id in ${sql(backupIds)}`)
}

/** The newest backup that is still kept. */
export async function lastBackup(sql: postgres.Sql): Promise<RecordedBackup | undefined> {
  const [row] = await withDatabase<RecordedBackup>(
    () => sql`
      select backup_id as "backupId", location, ${utc(sql, sql`created_at`)} as "createdAt", bytes::float8,
        with_objects as "withObjects", ${utc(sql, sql`drilled_at`)} as "drilledAt"
      from backups where removed_at is null order by backups.created_at desc limit 1`,
  )
  return row
}
