import { mkdir, open, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { PGlite } from '@electric-sql/pglite'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto'
import postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import type { Database } from './connect.ts'
import { lockFolder } from './lock.ts'
import { applyMigrations } from './migrate.ts'

/** The cluster's format belongs to this release of PGlite; another one may not read it. */
const pgliteVersion = '0.5.8'

/**
 * Opens, and on first use creates, the embedded PostgreSQL in a folder: PGlite in this process, spoken to by the same
 * postgres.js client as a server. It migrates itself. It belongs to one process at a time.
 *
 * @throws RmbgError DATABASE_LOCKED when a live process has it, DATABASE_TOO_NEW when another release wrote it
 */
export async function openEmbedded(folder: string): Promise<Database> {
  // Photographs' names and users are private: nobody else on the machine may read them.
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const unlock = await lockFolder(folder)
  try {
    await checkVersion(folder)
    const cluster = join(folder, 'cluster')
    await mkdir(cluster, { recursive: true, mode: 0o700 })
    const pglite = await PGlite.create({ dataDir: cluster, extensions: { pg_trgm, pgcrypto } })
    const sql = postgres({
      max: 1, // PGlite is one session
      onnotice: () => {},
      idle_timeout: 0,
      max_lifetime: null,
      socket: () => sessionOf(pglite),
    } as postgres.Options<Record<string, never>>) as postgres.Sql
    const database: Database = {
      sql,
      kind: 'embedded',
      location: `embedded database in ${folder}`,
      flush: async () => {
        await sql`analyze`
        await sql`checkpoint`
        await syncTree(cluster)
      },
      close: async () => {
        await sql.end({ timeout: 5 })
        await pglite.close()
        await unlock()
      },
    }
    await applyMigrations(database)
    return database
  } catch (error) {
    await unlock()
    throw error
  }
}

/** A byte stream that answers like a PostgreSQL server. */
function sessionOf(pglite: PGlite): Duplex {
  const stream = new Duplex({
    read() {},
    write(message: Buffer, _encoding, done) {
      pglite.execProtocolRaw(message).then(
        (answer) => {
          stream.push(Buffer.from(answer))
          done()
        },
        (error) => done(error),
      )
    },
    final(done) {
      stream.push(null)
      done()
    },
  })
  // postgres.js treats what `socket` returns as a connected socket.
  return Object.assign(stream, { setKeepAlive() {}, setNoDelay() {}, ref() {}, unref() {} })
}

async function checkVersion(folder: string): Promise<void> {
  const file = join(folder, 'pglite-version')
  const written = await readFile(file, 'utf8').catch(() => undefined)
  if (written === undefined) {
    await writeFile(`${file}.new`, `${pgliteVersion}\n`, { mode: 0o600 })
    await rename(`${file}.new`, file)
  } else if (written.trim() !== pgliteVersion) {
    throw new RmbgError(
      'DATABASE_TOO_NEW',
      `The embedded database in ${folder} was written by PGlite ${written.trim()}; this program has ${pgliteVersion}.`,
      { hint: 'Use the rmbg release that wrote it, or another RMBG_HOME.' },
    )
  }
}

/** PGlite itself never calls fsync, so after a checkpoint its files are flushed here. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await syncTree(path)
    else if (entry.isFile()) await sync(path)
  }
  await sync(folder)
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined) // a file may vanish in a checkpoint
  await handle?.sync().catch(() => {}) // folders cannot be synced on every platform
  await handle?.close()
}
