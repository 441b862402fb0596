import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Database } from './contract.ts'
import { assertUtf8 } from './encoding.ts'
import { connectionIsLost, databaseError, patiently } from './errors.ts'
import { one } from './rows.ts'
import { withSession } from './session.ts'

const folder = new URL('../../migrations/', import.meta.url)
/** Any fixed number, the same in every release: migrators of one database meet at this lock. */
const lockKey = 7_262_671_401

export interface Migration {
  /** Number and name, as the file: `0001_extensions`. */
  name: string
  sql: string
  /** Hex SHA-256 of the file with line endings normalised. */
  sha256: string
  /**
   * False when the file's first line is `-- no-transaction`. It then holds one statement that may be repeated (`if not
   * exists`), for a crash may come between the statement and its record.
   */
  transaction: boolean
}

export interface MigrationPlan {
  applied: string[]
  pending: Migration[]
}

/** The migrations this program ships, in order. */
export async function shippedMigrations(from: URL = folder): Promise<Migration[]> {
  const files = (await readdir(from)).filter((file) => /^\d{4}_\w+\.sql$/.test(file)).sort()
  return Promise.all(
    files.map(async (file) => {
      const sql = (await readFile(new URL(file, from), 'utf8')).replaceAll('\r\n', '\n')
      return {
        name: file.slice(0, -'.sql'.length),
        sql,
        sha256: sha256Of(sql),
        transaction: !sql.startsWith('-- no-transaction'),
      }
    }),
  )
}

/**
 * What is applied and what is not. Reads only, so a role without any right to write may ask. A server that is away is
 * waited for.
 *
 * @throws RmbgError DATABASE_DRIFT when an applied file was edited or a file older than an applied one is pending,
 *   DATABASE_TOO_NEW when a migration is applied that this program does not know
 */
export const planMigrations = (sql: postgres.Sql, shipped?: Migration[]): Promise<MigrationPlan> =>
  patiently(() => planOn(sql, shipped))

/** Asks once: on the connection of a session, nothing may be asked again (`connectionIsLost`). */
async function planOn(sql: postgres.Sql, shipped?: Migration[]): Promise<MigrationPlan> {
  const known = shipped ?? (await shippedMigrations())
  const applied = await appliedMigrations(sql)
  for (const { name, sha256 } of applied) {
    const file = known.find((migration) => migration.name === name)
    if (!file) {
      throw new RmbgError(
        'DATABASE_TOO_NEW',
        `The database has the migration ${name}, which this program does not know.`,
        {
          hint: 'Update rmbg-batch to the release that migrated this database, or a later one.',
        },
      )
    }
    if (file.sha256 !== sha256) {
      throw new RmbgError('DATABASE_DRIFT', `The migration ${name} was edited after it was applied.`, {
        hint: 'Restore the file as it was released; changes belong in a new migration.',
      })
    }
  }
  const names = new Set(applied.map(({ name }) => name))
  const pending = known.filter(({ name }) => !names.has(name))
  const last = applied.at(-1)?.name
  const late = pending.find(({ name }) => last !== undefined && name < last)
  if (late) {
    throw new RmbgError(
      'DATABASE_DRIFT',
      `The migration ${late.name} is older than ${last}, which is applied already.`,
      {
        hint: 'Give the file the next free number.',
      },
    )
  }
  return { applied: applied.map(({ name }) => name), pending }
}

/** @throws RmbgError DATABASE_NOT_MIGRATED, DATABASE_DRIFT or DATABASE_TOO_NEW */
export async function assertMigrated(sql: postgres.Sql): Promise<void> {
  const { pending } = await planMigrations(sql)
  if (pending.length === 0) return
  throw new RmbgError(
    'DATABASE_NOT_MIGRATED',
    `The database lacks ${pending.length} of this program's migrations.`,
    { hint: 'Run rmbg migrate once, with the same DATABASE_URL.' },
  )
}

export interface ApplyOptions {
  signal?: AbortSignal
  onApplied?: (name: string) => void
  onWaiting?: () => void
  /** Tests bring their own. */
  shipped?: Migration[]
}

/**
 * Applies what is pending, each file and its record in one transaction. Of several migrators at once one works and
 * the others wait by asking again: waiting inside the lock would hold a snapshot that CREATE INDEX CONCURRENTLY
 * waits for in turn.
 *
 * @returns the names of what was applied, in order
 * @throws RmbgError of family `database`, or the signal's reason; what was applied before stays applied. A database
 *   that cannot store every file name is refused
 */
export async function applyMigrations(database: Database, options: ApplyOptions = {}): Promise<string[]> {
  const shipped = options.shipped ?? (await shippedMigrations())
  await assertUtf8(database)
  const { pending } = await planMigrations(database.sql, shipped)
  if (pending.length === 0) return []
  await database.useAlone()
  return withSession(database.sql, async (connection) => {
    await lock(connection, options)
    try {
      await createRecords(connection)
      const done: string[] = []
      // Planned again: another migrator may have done it all while this one waited.
      for (const migration of (await planOn(connection, shipped)).pending) {
        options.signal?.throwIfAborted()
        await failPoint('migrate:begun')
        await apply(connection, migration)
        await failPoint('migrate:committed')
        options.onApplied?.(migration.name)
        done.push(migration.name)
      }
      await unlock(connection)
      return done
    } catch (error) {
      // A lost connection has lost its lock too.
      if (!connectionIsLost(databaseError(error))) await unlock(connection)
      throw error
    }
  })
}

const unlock = (connection: postgres.ReservedSql) => connection`select pg_advisory_unlock(${lockKey})`

async function lock(connection: postgres.ReservedSql, { signal, onWaiting }: ApplyOptions): Promise<void> {
  for (let waiting = false; ; waiting = true) {
    const [row] = await connection`select pg_try_advisory_lock(${lockKey}) as locked`.catch((cause) =>
      Promise.reject(databaseError(cause)),
    )
    if (row?.locked) return
    if (!waiting) onWaiting?.()
    await sleep(200, undefined, signal && { signal })
  }
}

async function createRecords(connection: postgres.ReservedSql): Promise<void> {
  try {
    await connection`
      create table if not exists schema_migrations (
        name       text primary key,
        sha256     text not null,
        applied_at timestamptz not null default now()
      )`
  } catch (cause) {
    throw databaseError(cause)
  }
}

async function apply(
  connection: postgres.ReservedSql,
  { name, sql, sha256, transaction }: Migration,
): Promise<void> {
  const record = () => connection`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`
  try {
    if (!transaction) {
      await connection.unsafe(sql)
      await failPoint('migrate:applied')
      await record()
      return
    }
    await connection`begin`
    await connection.unsafe(sql)
    await record()
    await failPoint('migrate:applied')
    await connection`commit`
  } catch (cause) {
    const error = databaseError(cause)
    if (!connectionIsLost(error)) await connection`rollback`
    const { code, message } = error
    const hint = hints[(cause as { code?: string }).code ?? ''] ?? error.hint
    throw new RmbgError(
      code === 'DATABASE_NOT_MIGRATED' ? 'DATABASE_ERROR' : code,
      `Migration ${name} failed${transaction ? ' and was undone' : ''}: ${message}`,
      { ...(hint !== undefined && { hint }), cause },
    )
  }
}

/** What a failed migration most often means, by SQLSTATE. */
const hints: Record<string, string> = {
  '42P07':
    'The database is in use by something else: give rmbg a database, or a schema in search_path, of its own.',
  '0A000': "Install PostgreSQL's contrib package on the server: it brings pg_trgm and pgcrypto.",
  '58P01': "Install PostgreSQL's contrib package on the server: it brings pg_trgm and pgcrypto.",
}

async function appliedMigrations(sql: postgres.Sql): Promise<{ name: string; sha256: string }[]> {
  try {
    const { exists } = one(await sql`select to_regclass('schema_migrations') is not null as exists`)
    if (!exists) return []
    return await sql<
      { name: string; sha256: string }[]
    >`select name, sha256 from schema_migrations order by name`
  } catch (cause) {
    throw databaseError(cause)
  }
}
