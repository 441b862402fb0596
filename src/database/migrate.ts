import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { once } from '../once.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Database, MigrationLockOptions } from './contract.ts'
import { assertUtf8 } from './encoding.ts'
import { connectionIsLost, databaseError, patiently } from './errors.ts'
import { onMonths } from './partitioned-index.ts'
import { one } from './rows.ts'
import { withSession } from './session.ts'

const folder = new URL('../../migrations/', import.meta.url)
/** Longer than this a migration does not wait for a lock: whoever wants the same table would queue behind it. */
const lockTimeoutMs = 3000
/** Between two tries, others get at the table. */
const pauseMs = 5000
/** How long a table may be in use before a migration is given up. */
const tryForMs = 10 * 60_000
/** Somebody had a lock for too long, or wanted the same locks in another order. */
const blockedCodes = new Set<string | undefined>(['55P03', '40P01'])

export interface Migration {
  /** Number and name, as the file: `0001_extensions`. */
  name: string
  sql: string
  /** Hex SHA-256 of the file with line endings normalised. */
  sha256: string
  /**
   * False when the file's first line is `-- no-transaction`. It then holds statements that may be repeated, each ending
   * a line by its `;`, for a crash may come between them and their record: `create index concurrently if not exists …`.
   */
  transaction: boolean
}

export interface MigrationPlan {
  applied: string[]
  pending: Migration[]
}

/** The migrations this program ships, in order. Read once: an embedded database asks for them three times as it opens. */
export const shippedMigrations = once(() => migrationsIn(folder))

/** The migrations in a folder, in order. */
export async function migrationsIn(from: URL): Promise<Migration[]> {
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

export interface ApplyOptions extends MigrationLockOptions {
  onApplied?: (name: string) => void
  /** Told once a migration, when a table that it changes is in use: a sentence. */
  onBlocked?: (message: string) => void
  /** Tests bring their own. */
  shipped?: Migration[]
  times?: { lockTimeoutMs: number; pauseMs: number; tryForMs: number }
}

/**
 * Applies what is pending, each file and its record in one transaction. Of several migrators at once one works and
 * the others wait by asking again: waiting inside the lock would hold a snapshot that CREATE INDEX CONCURRENTLY
 * waits for in turn. A table that is in use is waited for in short tries, so that nobody queues behind this one.
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
  const lock = await database.lockMigrations(options)
  try {
    return await withSession(database.sql, async (connection) => {
      await createRecords(connection)
      const done: string[] = []
      // Planned again: another migrator may have done it all while this one waited.
      for (const migration of (await planOn(connection, shipped)).pending) {
        options.signal?.throwIfAborted()
        await failPoint('migrate:begun')
        await lock.assertHeld()
        await applyInTries(connection, migration, options)
        await failPoint('migrate:committed')
        options.onApplied?.(migration.name)
        done.push(migration.name)
      }
      return done
    })
  } finally {
    await lock.release()
  }
}

async function applyInTries(
  connection: postgres.ReservedSql,
  migration: Migration,
  { signal, onBlocked, times = { lockTimeoutMs, pauseMs, tryForMs } }: ApplyOptions,
): Promise<void> {
  const until = Date.now() + times.tryForMs
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await apply(connection, migration, times.lockTimeoutMs)
    } catch (error) {
      const { code } = ((error as RmbgError).cause ?? {}) as { code?: string }
      if (!blockedCodes.has(code) || Date.now() >= until) throw error
    }
    if (isFirst) onBlocked?.(await blockedText(connection, migration))
    await sleep(times.pauseMs, undefined, signal && { signal })
  }
}

async function blockedText(connection: postgres.ReservedSql, { name }: Migration): Promise<string> {
  const [row] = await connection`
    select a.pid, nullif(a.application_name, '') as name, a.state,
      to_char(a.xact_start at time zone 'UTC', 'HH24:MI:SS "UTC"') as since
    from pg_stat_activity a
    where a.pid <> pg_backend_pid() and a.xact_start is not null and exists (
      select from pg_locks l join pg_class c on c.oid = l.relation
      where l.pid = a.pid and l.granted and c.relnamespace = current_schema()::regnamespace)
    order by a.xact_start limit 1`.catch((cause) => Promise.reject(databaseError(cause)))
  const who = row ? ` by session ${row.pid} (${row.name ?? 'no name'}, ${row.state}) since ${row.since}` : ''
  return `Migration ${name} changes a table that is in use${who}. It is tried again every few seconds, so that nobody has to wait for it.`
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
  lockTimeoutMs: number,
): Promise<void> {
  const record = () => connection`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`
  try {
    if (!transaction) {
      for (const statement of statementsOf(sql)) await applyAlone(connection, statement)
      await failPoint('migrate:applied')
      await record()
      return
    }
    await connection`begin`
    await connection`select set_config('lock_timeout', ${`${lockTimeoutMs}ms`}, true)`
    await connection.unsafe(sql)
    await record()
    await failPoint('migrate:applied')
    await connection`commit`
  } catch (cause) {
    const error = databaseError(cause)
    if (transaction && !connectionIsLost(error)) await connection`rollback`
    const { code, message } = error
    const hint = hints[(cause as { code?: string }).code ?? ''] ?? error.hint
    throw new RmbgError(
      code === 'DATABASE_NOT_MIGRATED' ? 'DATABASE_ERROR' : code,
      `Migration ${name} failed${transaction ? ' and was undone' : ''}: ${message}`,
      { ...(hint !== undefined && { hint }), cause },
    )
  }
}

/** The statements of a file that has no transaction, each ending a line. */
const statementsOf = (sql: string): string[] =>
  sql
    .replaceAll(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter(Boolean)

const concurrentIndex = /^create\s+(?:unique\s+)?index\s+concurrently\s+if\s+not\s+exists\s+(\w+)/i

/**
 * Runs a statement outside a transaction. A concurrent build that was killed leaves an invalid index, which `if not
 * exists` would take for the finished one: it is dropped first.
 */
async function applyAlone(connection: postgres.ReservedSql, statement: string): Promise<void> {
  if (await onMonths(connection, statement)) return
  const [, index] = concurrentIndex.exec(statement) ?? []
  if (index !== undefined && (await isInvalid(connection, index)))
    await connection`drop index concurrently ${connection(index)}`
  await connection.unsafe(statement)
}

async function isInvalid(connection: postgres.ReservedSql, index: string): Promise<boolean> {
  const found = await connection`
    select 1 from pg_index x join pg_class c on c.oid = x.indexrelid
    where c.relname = ${index} and c.relnamespace = current_schema()::regnamespace and not x.indisvalid`
  return found.length > 0
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
