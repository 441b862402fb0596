import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { PGlite } from '@electric-sql/pglite'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto'
import postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { diskProblem, sync } from '../system/files.ts'
import type { EmbeddedDatabase, Snapshot } from './contract.ts'
import { lockFolder } from './embedded-lock.ts'
import { databaseError } from './errors.ts'
import { releaseAllJobs } from './leases.ts'
import { applyMigrations } from './migrate.ts'
import { type Engine, PgliteSocket } from './pglite-socket.ts'
import { plainDump, restorePlain } from './plain-dump.ts'
import { one } from './rows.ts'

/** The cluster's format belongs to this release of PGlite; another one may not read it. */
const pgliteVersion = '0.5.8'

/** Whether there is a database to open; `openEmbedded` would otherwise create one. */
export async function embeddedExists(folder: string): Promise<boolean> {
  return (await stat(join(folder, 'cluster')).catch(() => undefined)) !== undefined
}

/**
 * Opens, and on first use creates, the embedded PostgreSQL in a folder: PGlite in this process, spoken to by the same
 * postgres.js client as a server. It belongs to one process at a time, and to one user of the machine.
 *
 * @param options.migrate false leaves everything as it is; otherwise the database migrates itself, and jobs that a dead
 *   process held become pending again
 * @throws RmbgError DATABASE_LOCKED when a live process has it, DATABASE_TOO_NEW when another release wrote it,
 *   DATABASE_DENIED or DATABASE_ERROR when the folder or its content cannot be used
 */
export async function openEmbedded(folder: string, { migrate = true } = {}): Promise<EmbeddedDatabase> {
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne()
  }
  try {
    // Names of photographs and users are private: nobody else on the machine may read them.
    await mkdir(folder, { recursive: true, mode: 0o700 })
    closers.push(await lockFolder(folder))
    const cluster = join(folder, 'cluster')
    if (await embeddedExists(folder)) await checkVersion(folder)
    else await createCluster(folder, cluster)
    const engine: Engine = { pglite: await openCluster(cluster) }
    closers.push(async () => engine.failure ?? engine.pglite.close())
    const sql = postgres({
      max: 1, // PGlite is one session
      // Of PGlite. Otherwise that of the system's user, who may have no name; PGlite exits when there is none.
      username: 'postgres',
      database: 'postgres',
      fetch_types: false, // as on a server
      onnotice: () => {},
      idle_timeout: 0,
      max_lifetime: null,
      socket: () => new PgliteSocket(engine),
    } as postgres.Options<Record<string, never>>) as postgres.Sql
    closers.push(() => sql.end({ timeout: engine.failure ? 0 : 5 }))
    const database: EmbeddedDatabase = {
      kind: 'embedded',
      sql,
      location: `embedded database in ${folder}`,
      // A folder keeps its inode when it is moved or mounted elsewhere; a copy of it has another.
      origin: async () => `embedded/${(await stat(cluster, { bigint: true })).ino}`,
      restores: ['plain'],
      flush: async () => {
        try {
          await tidy(sql)
          await sql`checkpoint`
        } catch (cause) {
          throw databaseError(cause)
        }
        await syncTree(cluster).catch((cause) => Promise.reject(folderError(folder, cause)))
      },
      tryLock: async () => async () => {}, // this process has it alone
      openSnapshot: () => openSnapshot(sql, engine.pglite),
      restore: async ({ open }) => restorePlain(sql, await open()),
      openScratch: () => openScratch(folder),
      close,
    }
    if (migrate) {
      await applyMigrations(database)
      await releaseAllJobs(sql)
    }
    return database
  } catch (cause) {
    await close().catch(() => {}) // what went wrong first is what matters
    throw folderError(folder, cause)
  }
}

/** Nobody else can change the database while this process has it. */
async function openSnapshot(sql: postgres.Sql, pglite: PGlite): Promise<Snapshot> {
  const { version } = one(await sql`select current_setting('server_version_num')::integer / 10000 as version`)
  return {
    connection: sql,
    createdAt: new Date(),
    version,
    format: 'plain',
    // As a whole: PGlite cannot be read and dumped at once.
    dump: async () => Readable.from([Buffer.from(await plainDump(pglite))]),
    close: async () => {},
  }
}

/** Inside the folder that this process has locked, so no other process uses it. */
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

function openCluster(cluster: string): Promise<PGlite> {
  // V8 optimises only functions that have run for about a second: most runs end before more would pay. Over 100 images
  // this saves two of 2.7 seconds of compiling, and statements take no longer.
  setFlagsFromString('--wasm-tiering-budget=1000000000')
  return PGlite.create({
    dataDir: cluster,
    extensions: { pg_trgm, pgcrypto },
    // PGlite's default of 160 MB is touched at the start and exceeds all other memory; the system caches files anyway.
    startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=32MB'],
  })
}

/** Creation takes seconds and may be interrupted: the cluster gets its name when it is whole and on disk. */
async function createCluster(folder: string, cluster: string): Promise<void> {
  const unfinished = join(folder, 'cluster.new')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { mode: 0o700 })
  await (await openCluster(unfinished)).close()
  await chmod(unfinished, 0o700)
  await syncTree(unfinished)
  const versionFile = join(folder, 'pglite-version')
  await writeFile(versionFile, `${pgliteVersion}\n`, { mode: 0o600 })
  await sync(versionFile)
  await rename(unfinished, cluster)
  await sync(folder)
}

async function checkVersion(folder: string): Promise<void> {
  const file = join(folder, 'pglite-version')
  const written = (await readFile(file, 'utf8').catch(() => 'an unknown release')).trim()
  if (written === pgliteVersion) return
  throw new RmbgError(
    'DATABASE_TOO_NEW',
    `The embedded database in ${folder} was written by PGlite ${written}; this program has ${pgliteVersion}.`,
    { hint: 'Use the rmbg release that wrote it, or another RMBG_HOME.' },
  )
}

/** Does what autovacuum does on a server, with its default thresholds: PGlite has no background processes. */
async function tidy(sql: postgres.Sql): Promise<void> {
  await sql`select pg_stat_force_next_flush()`
  const due = await sql`
    select relname as name from pg_stat_user_tables
    where n_dead_tup > 50 + 0.2 * n_live_tup or n_mod_since_analyze > 50 + 0.1 * n_live_tup`
  for (const { name } of due) await sql`vacuum (analyze) ${sql(name)}`
}

/** PGlite never calls fsync, so after a checkpoint its files are flushed here. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await syncTree(path)
    else if (entry.isFile()) await sync(path)
  }
  await sync(folder)
}

function folderError(folder: string, cause: unknown): RmbgError {
  if (cause instanceof RmbgError) return cause
  const disk = diskProblem(cause, folder)
  if (disk?.problem === 'denied') {
    return new RmbgError('DATABASE_DENIED', disk.sentence, {
      hint: 'Check its owner, choose another RMBG_HOME, or set DATABASE_URL to a PostgreSQL server.',
      cause,
    })
  }
  if (disk) {
    return new RmbgError('DATABASE_UNAVAILABLE', disk.sentence, {
      hint: 'Make room there, or choose another RMBG_HOME.',
      cause,
    })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new RmbgError('DATABASE_ERROR', `The embedded database in ${folder} cannot be opened: ${reason}.`, {
    hint: 'Check that its disk has room. If it is damaged, restore a backup, or move the folder away to start anew.',
    cause,
  })
}
