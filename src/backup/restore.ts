import { text } from 'node:stream/consumers'
import { type Database, reserveConnection } from '../database/connect.ts'
import { databaseError, withDatabase } from '../database/errors.ts'
import { differences, tableFigures } from '../database/figures.ts'
import { restoreDatabase } from '../database/pg-tools.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { isIntact } from '../store/verified.ts'
import type { Manifest } from './manifest.ts'
import { at, type Vault } from './vault.ts'

/** What stands in a database that a backup is to be restored into. */
export type TargetState = 'empty' | 'restored' | 'occupied'

/**
 * Restores a backup into an empty database and compares every table with what was backed up. One that holds exactly
 * this backup already, from a restore that was interrupted later, is taken as restored.
 *
 * @param databaseUrl of that database; absent: embedded
 * @returns whether anything had to be restored
 * @throws RmbgError REFUSED when something else is in it, BACKUP_INVALID when the backup is damaged
 */
export async function restoreBackup(
  vault: Vault,
  manifest: Manifest,
  database: Database,
  databaseUrl: string | undefined,
): Promise<boolean> {
  const state = await targetState(manifest, database)
  if (state === 'restored') return false
  if (state === 'occupied') {
    throw new RmbgError('REFUSED', `${database.location} is not empty.`, {
      hint:
        database.kind === 'server'
          ? 'Restore into another database with --into NAME.'
          : 'Restore into another RMBG_HOME.',
    })
  }
  await fillDatabase(vault, manifest, database, databaseUrl)
  await failPoint('restore:restored')
  await compareRestored(manifest, database)
  return true
}

async function targetState(manifest: Manifest, { kind, sql }: Database): Promise<TargetState> {
  const tables = await withDatabase(
    () => sql<{ name: string }[]>`
      select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`,
  )
  if (tables.length === 0) return 'empty'
  const names = new Set(tables.map(({ name }) => name))
  if (manifest.database.tables.some(({ table }) => !names.has(table))) return 'occupied'
  const figures = await withSession(sql, tableFigures)
  if (differences(manifest.database.tables, figures).length === 0) return 'restored'
  // The embedded database migrates itself when it is made: without a job and a user nothing is lost with it.
  const isUnused = figures
    .filter(({ table }) => ['image_process_jobs', 'users', 'tags', 'daily_usage'].includes(table))
    .every(({ rows }) => rows === 0)
  if (kind !== 'embedded' || !isUnused) return 'occupied'
  await sql.unsafe('drop schema public cascade; create schema public')
  return 'empty'
}

/**
 * Reads the dump twice: once to compare it with its checksum, and only then to restore it, in one transaction.
 *
 * @throws RmbgError BACKUP_INVALID, DATABASE_ERROR
 */
export async function fillDatabase(
  vault: Vault,
  { backupId, database: dump }: Manifest,
  database: Database,
  databaseUrl: string | undefined,
): Promise<void> {
  const key = at(vault, `${backupId}/${dump.file}`)
  if (!(await isIntact(vault.store, key, dump.sha256))) {
    throw new RmbgError('BACKUP_INVALID', `The dump of the backup ${backupId} is damaged.`, {
      hint: 'Take another one: rmbg backup list shows them.',
    })
  }
  const archive = await vault.store.get(key)
  if (dump.format === 'plain') {
    const statements = await text(archive)
    // Several statements sent together are one transaction.
    await database.sql.unsafe(statements).catch((cause) => Promise.reject(databaseError(cause)))
    await database.sql`reset search_path`
    return
  }
  if (databaseUrl === undefined) {
    throw new RmbgError('REFUSED', 'This backup was taken of a PostgreSQL server and needs one.', {
      hint: 'Set DATABASE_URL.',
    })
  }
  const [row] = await withDatabase(
    () => database.sql`
      select current_setting('server_version_num')::integer / 10000 as version, current_database() as name`,
  )
  const tools = { serverMajor: Math.max(row!.version, dump.version), database: row!.name }
  await restoreDatabase(databaseUrl, archive, tools)
}

/** @throws RmbgError BACKUP_INVALID saying what differs */
export async function compareRestored(manifest: Manifest, { sql }: Database): Promise<void> {
  const different = differences(manifest.database.tables, await withSession(sql, tableFigures))
  if (different.length === 0) return
  throw new RmbgError(
    'BACKUP_INVALID',
    `What was restored is not what was backed up: ${different.join(', ')}.`,
  )
}

/** Settings made on a session have to be met by what follows. */
async function withSession<T>(
  sql: Database['sql'],
  ask: (connection: Database['sql']) => Promise<T>,
): Promise<T> {
  const connection = await reserveConnection(sql)
  const answer = await ask(connection)
  connection.release()
  return answer
}
