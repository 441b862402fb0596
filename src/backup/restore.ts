import type { Database } from '../database/contract.ts'
import { withDatabase } from '../database/errors.ts'
import { differences, type TableFigures, tableFigures } from '../database/figures.ts'
import { withSession } from '../database/session.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { isIntact } from '../store/verified.ts'
import type { Manifest } from './manifest.ts'
import type { Vault } from './vault.ts'

/**
 * Restores a backup into an empty database and compares every table with what was backed up. A database that holds
 * exactly this backup already, from a restore that was interrupted later, counts as restored.
 *
 * @returns whether anything had to be restored
 * @throws RmbgError REFUSED when something else is in the database or it cannot read the dump, BACKUP_INVALID when
 *   the backup is damaged
 */
export async function restoreBackup(
  vault: Vault,
  manifest: Manifest,
  database: Database,
  { grants = false } = {},
): Promise<boolean> {
  if (!database.restores.includes(manifest.database.format)) {
    throw new RmbgError('REFUSED', 'This backup was taken of a PostgreSQL server and needs one.', {
      hint: 'Set DATABASE_URL.',
    })
  }
  if (grants && manifest.database.format === 'plain') {
    throw new RmbgError('REFUSED', 'A backup of the embedded database holds no grants.', {
      hint: 'Restore it without --grants.',
    })
  }
  await database.useAlone()
  const state = await stateOf(database, manifest)
  if (state === 'restored') return false
  if (state === 'occupied') throw notEmpty(database)
  if (state === 'unused') await database.sql.unsafe('drop schema public cascade; create schema public')
  await fillDatabase(vault, manifest, database, { grants })
  await failPoint('restore:restored')
  await assertFound(database)
  await assertRestored(manifest, database)
  return true
}

/** `unused` is an embedded database that migrated itself when it was created, and holds nothing yet. */
type TargetState = 'empty' | 'unused' | 'restored' | 'occupied'

/** What extensions bring does not count, and where the backup names its schemas, nor do others. */
async function stateOf({ kind, sql }: Database, { database: backup }: Manifest): Promise<TargetState> {
  const schemas = backup.needs?.schemas
  const tables = await withDatabase(
    () => sql<{ name: string }[]>`
      select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and not exists (select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
        and ${schemas ? sql`(n.nspname in ${sql(schemas)} or pg_table_is_visible(c.oid))` : sql`true`}`,
  )
  if (tables.length === 0) return 'empty'
  const names = new Set(tables.map(({ name }) => name))
  if (backup.tables.some(({ table }) => !names.has(table))) return 'occupied'
  const figures = await withSession(sql, tableFigures)
  if (holds(figures, backup.tables)) return 'restored'
  const isUnused = figures
    .filter(({ table }) => ['image_process_jobs', 'users', 'tags', 'daily_usage'].includes(table))
    .every(({ rows }) => rows === 0)
  return kind === 'embedded' && isUnused ? 'unused' : 'occupied'
}

/** Whether these are the rows of a backup, as they were or with later migrations applied to them. */
function holds(found: readonly TableFigures[], backedUp: readonly TableFigures[]): boolean {
  if (differences(backedUp, found).length === 0) return true
  const records = 'schema_migrations'
  const rowsIn = (figures: readonly TableFigures[], name: string) =>
    figures.find(({ table }) => table === name)?.rows ?? 0
  if (rowsIn(found, records) <= rowsIn(backedUp, records)) return false
  // Migrations may add columns, and so change what rows look like. Each job that ends adds rows to more than one table.
  return backedUp.every(({ table, rows }) => table === records || rowsIn(found, table) === rows)
}

const notEmpty = ({ kind, location }: Database): RmbgError =>
  new RmbgError('REFUSED', `${location} is not empty.`, {
    hint:
      kind === 'server'
        ? 'Restore into another database with --into NAME.'
        : 'Restore into another RMBG_HOME.',
  })

/**
 * Reads the dump twice: once to compare it with its checksum, and only then to restore it, in one transaction.
 *
 * @throws RmbgError BACKUP_INVALID, DATABASE_ERROR
 */
export async function fillDatabase(
  vault: Vault,
  { backupId, database: { file, sha256, format, version, needs } }: Manifest,
  database: Database,
  { grants = false } = {},
): Promise<void> {
  const key = `${backupId}/${file}`
  if (!(await isIntact(vault.store, key, sha256))) {
    throw new RmbgError('BACKUP_INVALID', `The dump of the backup ${backupId} is damaged.`, {
      hint: 'Choose another backup: rmbg backup list shows them.',
    })
  }
  await database.restore({ format, version, needs, grants, open: () => vault.store.get(key) })
}

/**
 * A search path that was set for the role in the original database is not set in another one.
 *
 * @throws RmbgError DATABASE_NOT_MIGRATED saying what to set
 */
async function assertFound({ sql }: Database): Promise<void> {
  const places = await withDatabase(
    () => sql<{ statement: string }[]>`
      select format('ALTER ROLE %I IN DATABASE %I SET search_path = %I, public',
        current_user, current_database(), n.nspname) as statement
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relname = 'schema_migrations' and to_regclass('schema_migrations') is null`,
  )
  const [place] = places
  if (!place) return
  throw new RmbgError(
    'DATABASE_NOT_MIGRATED',
    'It is restored, into a schema that the search_path does not name.',
    {
      hint: `Run ${place.statement}, and then the same restore again: it compares every table.`,
    },
  )
}

/**
 * Compares every table with what was backed up.
 *
 * @throws RmbgError BACKUP_INVALID saying what differs
 */
export async function assertRestored(manifest: Manifest, { sql }: Database): Promise<void> {
  const different = differences(manifest.database.tables, await withSession(sql, tableFigures))
  if (different.length === 0) return
  throw new RmbgError(
    'BACKUP_INVALID',
    `The restored tables differ from the backed-up ones: ${different.join(', ')}.`,
  )
}
