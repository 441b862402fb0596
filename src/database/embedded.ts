import { rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import postgres from 'postgres'
import { takeLock } from '../system/lock.ts'
import type { EmbeddedDatabase, Lock, LockName, Snapshot } from './contract.ts'
import { EmbeddedAccess, folderError, login } from './embedded-access.ts'
import { clusterIn, noteMigrated, syncTree } from './embedded-cluster.ts'
import { patiently } from './errors.ts'
import { releaseJobsOfTheDead } from './leases.ts'
import { lockedBy } from './locks.ts'
import { applyMigrations } from './migrate.ts'
import { ownBytes } from './own-bytes.ts'
import { plainDump, restorePlain } from './plain-dump.ts'
import { one } from './rows.ts'

/**
 * Opens, and on first use creates, the embedded PostgreSQL in a folder: PGlite, spoken to by the same postgres.js client
 * as a server. It runs in the process that came first; others of the same user are its clients until it ends, and then
 * one of them opens it in turn.
 *
 * @param options.migrate false leaves everything as it is, and lets no other process in; otherwise the database migrates
 *   itself, and jobs that a dead process held become pending again
 * @throws RmbgError DATABASE_LOCKED when a live process has it and lets nobody in, DATABASE_TOO_NEW when another release
 *   wrote it, DATABASE_DENIED or DATABASE_ERROR when the folder or its content cannot be used
 */
export async function openEmbedded(folder: string, { migrate = true } = {}): Promise<EmbeddedDatabase> {
  const access = new EmbeddedAccess(folder, { shares: migrate, migrated: migrate })
  const sql = postgres({
    max: 1, // PGlite is one session
    username: login.user,
    database: login.database,
    password: () => access.password,
    fetch_types: false, // as on a server
    onnotice: () => {},
    idle_timeout: 0,
    max_lifetime: null,
    // Who waits for what is up to the sockets.
    connect_timeout: 0,
    backoff: () => 0,
    socket: () => access.socket(),
  } as postgres.Options<Record<string, never>>) as postgres.Sql
  const close = async () => {
    await sql.end({ timeout: access.hasFailed ? 0 : 5 })
    await access.close()
  }
  const database = databaseOf(folder, sql, access, close)
  try {
    await patiently(() => sql`select 1`)
    if (migrate) {
      await applyMigrations(database)
      if (access.isHolder) {
        await noteMigrated(folder)
        await releaseJobsOfTheDead(sql)
      }
      access.serve()
    }
    return database
  } catch (cause) {
    await close().catch(() => {}) // what went wrong first is what matters
    throw folderError(folder, cause)
  }
}

function databaseOf(
  folder: string,
  sql: postgres.Sql,
  access: EmbeddedAccess,
  close: () => Promise<void>,
): EmbeddedDatabase {
  const cluster = clusterIn(folder)
  const useAlone = () => access.useAlone()
  return {
    kind: 'embedded',
    sql,
    location: `embedded database in ${folder}`,
    // A folder keeps its inode when it is moved or mounted elsewhere; a copy of it has another.
    origin: async () => `embedded/${(await stat(cluster, { bigint: true })).ino}`,
    restores: ['plain'],
    flush: async () => {
      await patiently(() => tidy(sql))
      await patiently(() => sql`checkpoint`)
      await syncTree(cluster).catch((cause) => Promise.reject(folderError(folder, cause)))
    },
    lock: (name) => lock(folder, name),
    useAlone,
    // Whoever migrates it has it alone.
    lockMigrations: async () => ({ assertHeld: async () => {}, release: async () => {} }),
    openSnapshot: () => openSnapshot(sql, access),
    restore: async ({ open }) => {
      await useAlone()
      await restorePlain(sql, await open())
    },
    checkScratch: async () => {
      const { bavail, bsize } = await statfs(folder).catch((cause) =>
        Promise.reject(folderError(folder, cause)),
      )
      return { needed: (await ownBytes(sql)).total, free: bavail * bsize }
    },
    openScratch: () => openScratch(folder),
    close,
  }
}

/** A lock that ends with the process, and not with the holder of the database. */
async function lock(folder: string, name: LockName): Promise<Lock> {
  const release = await takeLock(join(folder, `${name}.lock`), (holder) =>
    lockedBy({
      who: holder ? `${holder.command} (process ${holder.pid})` : 'Another process',
      since: holder?.since ?? 'this moment',
    }),
  ).catch((cause) => Promise.reject(folderError(folder, cause)))
  return { id: undefined, assertHeld: async () => {}, release }
}

/** Nobody else can change the database while this process has it to itself. */
async function openSnapshot(sql: postgres.Sql, access: EmbeddedAccess): Promise<Snapshot> {
  await access.useAlone()
  const { version } = one(await sql`select current_setting('server_version_num')::integer / 10000 as version`)
  return {
    connection: sql,
    createdAt: new Date(),
    version,
    format: 'plain',
    // As a whole: PGlite cannot be read and dumped at once.
    dump: async () => {
      const dump = await access.withEngine(async (engine) => plainDump(await engine.lend()))
      return Readable.from([Buffer.from(dump)])
    },
    close: async () => {},
  }
}

/** Nobody else has the `backup` lock, so no other process uses this one. */
async function openScratch(folder: string): Promise<EmbeddedDatabase> {
  const scratchFolder = join(folder, 'drill')
  await rm(scratchFolder, { recursive: true, force: true })
  const scratch = await openEmbedded(join(scratchFolder, 'database'), { migrate: false })
  return {
    ...scratch,
    close: async () => {
      await scratch.close()
      await rm(scratchFolder, { recursive: true })
    },
  }
}

/** Does what autovacuum does on a server, with its default thresholds: PGlite has no background processes. */
async function tidy(sql: postgres.Sql): Promise<void> {
  await sql`select pg_stat_force_next_flush()`
  const due = await sql`
    select relname as name from pg_stat_user_tables
    where n_dead_tup > 50 + 0.2 * n_live_tup or n_mod_since_analyze > 50 + 0.1 * n_live_tup`
  for (const { name } of due) await sql`vacuum (analyze) ${sql(name)}`
}
