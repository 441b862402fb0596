/** The files of an embedded database: how they are made, and how PGlite opens them. */
import type { Dirent } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { PGlite } from '@electric-sql/pglite'
import pLimit from 'p-limit'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { sync } from '../system/files.ts'
import { sha256Of } from '../system/sha256.ts'
import { shippedMigrations } from './migrate.ts'
import { unpackCluster } from './packed-cluster.ts'

/** The cluster's format belongs to this release of PGlite; another one may not read it. */
export const pgliteVersion = '0.5.8'

/** The part of the standard's types that is needed here; TypeScript has them for browsers only. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
  }
}

const { resolve } = createRequire(import.meta.url)

export const clusterIn = (folder: string): string => join(folder, 'cluster')

/** Whether there is a database to open; `openEmbedded` would otherwise create one. */
export async function embeddedExists(folder: string): Promise<boolean> {
  return (await stat(clusterIn(folder)).catch(() => undefined)) !== undefined
}

/**
 * Makes the cluster in a folder unless it is there. Making it may be interrupted: it gets its name when it is whole and
 * on disk.
 *
 * @param options.migrated whether the new cluster may have tables already: then the one that the package brings is
 *   unpacked, in a tenth of the time
 * @throws RmbgError DATABASE_TOO_NEW when another release of PGlite wrote the one that is there
 */
export async function prepareCluster(folder: string, { migrated }: { migrated: boolean }): Promise<void> {
  if (await embeddedExists(folder)) return checkVersion(folder)
  const unfinished = join(folder, 'cluster.new')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { mode: 0o700 })
  const unpacked = migrated ? await unpackCluster(unfinished, pgliteVersion) : undefined
  if (!unpacked) await (await openCluster(unfinished, { onlyAsked: false })).close()
  await chmod(unfinished, 0o700)
  await syncTree(unfinished)
  await failPoint('database:made')
  const versionFile = join(folder, 'pglite-version')
  await writeFile(versionFile, `${pgliteVersion}\n`, { mode: 0o600 })
  await sync(versionFile)
  await forgetMigrated(folder) // of a cluster that is gone
  await rename(unfinished, clusterIn(folder))
  await sync(folder)
  if (unpacked?.lacks === 0) await noteMigrated(folder)
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

/**
 * Notes that a database has all migrations of this program: it will only be asked from now on.
 *
 * @param folder of the embedded database
 */
export async function noteMigrated(folder: string): Promise<void> {
  if (!(await isMigrated(folder))) await writeFile(noteIn(folder), await migrationsDigest(), { mode: 0o600 })
}

/** Takes that back. */
export const forgetMigrated = (folder: string): Promise<void> => rm(noteIn(folder), { force: true })

/** Whether that was noted, and of these migrations. */
export async function isMigrated(folder: string): Promise<boolean> {
  const noted = await readFile(noteIn(folder), 'utf8').catch(() => undefined)
  return noted !== undefined && noted === (await migrationsDigest())
}

const noteIn = (folder: string): string => join(folder, 'migrated')

const migrationsDigest = async (): Promise<string> =>
  sha256Of((await shippedMigrations()).map(({ name, sha256 }) => `${name} ${sha256}`).join('\n'))

/**
 * Opens a cluster, and makes one in an empty folder, which takes seconds.
 *
 * @param options.onlyAsked whether no migration and no restore is to come. They alone need pgcrypto, which is a fifth of
 *   the time: what it can do, no query of ours asks for
 */
export async function openCluster(cluster: string, { onlyAsked }: { onlyAsked: boolean }): Promise<PGlite> {
  const [{ PGlite }, { pg_trgm }, { pgcrypto }, pgliteWasmModule] = await Promise.all([
    import('@electric-sql/pglite'),
    import('@electric-sql/pglite/contrib/pg_trgm'),
    import('@electric-sql/pglite/contrib/pgcrypto'),
    compilePglite(),
  ])
  return PGlite.create({
    dataDir: cluster,
    pgliteWasmModule,
    extensions: { pg_trgm, ...(!onlyAsked && { pgcrypto }) },
    // All of it is touched at the start: PGlite's default of 160 MB would exceed all other memory. The system caches files
    // anyway: look-ups and inserts in a table of 75 MB take as long with 8 MB as with 32.
    startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=8MB'],
  })
}

/**
 * PGlite's code, of which V8 compiles functions as they are called. It would also optimise the parser and the executor of
 * SQL: a tenth of what a run for one picture costs, since each of them is 100 KB of code. Statements take no longer without.
 */
export async function compilePglite(): Promise<WebAssembly.Module> {
  const bytes = await readFile(join(dirname(resolve('@electric-sql/pglite')), 'pglite.wasm'))
  // For other modules too, which last as long as a picture needs them.
  setFlagsFromString('--wasm-tiering-budget=1000000000')
  if (Number.parseInt(process.versions.v8, 10) > 12) return new WebAssembly.Module(bytes)
  // Up to Node 22, a module keeps the way of tiering that holds at this moment; all others have dynamic tiers, in which V8
  // does not ask for `wasm-tier-up`. Validation waits until a function is called.
  setFlagsFromString('--no-wasm-tier-up')
  setFlagsFromString('--no-wasm-dynamic-tiering')
  setFlagsFromString('--wasm-lazy-validation')
  try {
    return new WebAssembly.Module(bytes)
  } finally {
    setFlagsFromString('--wasm-dynamic-tiering')
    setFlagsFromString('--no-wasm-lazy-validation')
  }
}

/** File systems bring files to disk together that are asked for at once. */
const syncsAtOnce = 16

/** PGlite never calls fsync, so after a checkpoint its files are flushed here. */
export async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = (isWanted: (entry: Dirent) => boolean) =>
    entries.filter(isWanted).map(({ parentPath, name }) => join(parentPath, name))
  await pLimit(syncsAtOnce).map(
    paths((entry) => entry.isFile()),
    sync,
  )
  for (const path of [...paths((entry) => entry.isDirectory()), folder]) await sync(path)
}
