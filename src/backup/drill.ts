import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sampleObjects } from '../database/backups.ts'
import { connectServer, type Database } from '../database/connect.ts'
import { databaseError, withDatabase } from '../database/errors.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectStore } from '../store/contract.ts'
import { isIntact } from '../store/verified.ts'
import type { Manifest } from './manifest.ts'
import { compareRestored, fillDatabase } from './restore.ts'
import { at, type Vault } from './vault.ts'

export interface Drilled {
  restoreMs: number
  objectsChecked: number
}

/** Enough to notice a store that lost more than a few percent. */
const sampledJobs = 20
const namePrefix = 'rmbg_drill_'

/**
 * Restores a backup into a database that is thrown away afterwards, compares every table with what was backed up, and
 * reads objects of jobs chosen at random: from the copies where the backup has them, else from the store.
 *
 * @throws RmbgError BACKUP_INVALID saying what differs
 */
export async function drill(
  services: { database: Database; databaseUrl: string | undefined; store: ObjectStore; vault: Vault },
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Drilled> {
  const startedAt = performance.now()
  return withScratch(services, manifest, async (scratch, scratchUrl) => {
    await fillDatabase(services.vault, manifest, scratch, scratchUrl)
    const restoreMs = Math.round(performance.now() - startedAt)
    await compareRestored(manifest, scratch)
    await failPoint('backup:drilled')
    const { store, vault } = services
    const { copied } = manifest.objects
    const objects = await sampleObjects(scratch.sql, sampledJobs)
    for (const { key, sha256 } of objects) {
      signal.throwIfAborted()
      const [holder, place] = copied ? [vault.store, at(vault, `objects/${key}`)] : [store, key]
      if (await isIntact(holder, place, sha256, signal)) continue
      throw new RmbgError('BACKUP_INVALID', `The object ${key} is not what the backup says.`, {
        hint: 'rmbg backup verify reads all of them.',
      })
    }
    return { restoreMs, objectsChecked: objects.length }
  })
}

async function withScratch<T>(
  { database, databaseUrl }: { database: Database; databaseUrl: string | undefined },
  manifest: Manifest,
  action: (scratch: Database, scratchUrl: string | undefined) => Promise<T>,
): Promise<T> {
  if (manifest.database.format === 'plain') {
    const { openEmbedded } = await import('../database/embedded.ts')
    // Beside the cluster, whose lock is ours: what is there was left behind by a killed drill.
    const folder = join(database.folder!, 'drill')
    await rm(folder, { recursive: true, force: true })
    const scratch = await openEmbedded(join(folder, 'database'), { migrate: false })
    try {
      return await action(scratch, undefined)
    } finally {
      await scratch.close()
      await rm(folder, { recursive: true })
    }
  }
  const { sql } = database
  // Nobody else drills at the same time: what is there was left behind by a killed one.
  const left = await withDatabase(
    () => sql<{ name: string }[]>`
      select datname as name from pg_database d where datname like ${`${namePrefix}%`}
        and not exists (select from pg_stat_activity a where a.datid = d.oid)`,
  )
  for (const { name } of left) await withDatabase(() => sql`drop database if exists ${sql(name)}`)
  const name = `${namePrefix}${randomBytes(6).toString('hex')}`
  await sql`create database ${sql(name)} template template0`.catch((cause) =>
    Promise.reject(mayNotCreate(cause)),
  )
  const url = new URL(databaseUrl!)
  url.pathname = `/${name}`
  const scratch = connectServer(url.href, { maxConnections: 2 })
  try {
    return await action(scratch, url.href)
  } finally {
    await scratch.close()
    await withDatabase(() => sql`drop database if exists ${sql(name)}`)
  }
}

function mayNotCreate(cause: unknown): RmbgError {
  const error = databaseError(cause)
  if (error.code !== 'DATABASE_DENIED') return error
  return new RmbgError('DATABASE_DENIED', 'A drill makes a database of its own, and this role may not.', {
    hint: 'ALTER ROLE … CREATEDB, or drill with another role in DATABASE_URL.',
    cause,
  })
}
