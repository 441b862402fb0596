import { sampleObjects } from '../database/backups.ts'
import type { Database } from '../database/contract.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectStore } from '../store/contract.ts'
import { isIntact } from '../store/verified.ts'
import type { Manifest } from './manifest.ts'
import { assertRestored, fillDatabase } from './restore.ts'
import type { Vault } from './vault.ts'

export interface Drilled {
  restoreMs: number
  objectsChecked: number
}

/** Enough to notice a store that lost more than a few percent. */
const sampledJobs = 20

/**
 * Restores a backup into a database that is thrown away afterwards, compares every table with what was backed up, and
 * reads the objects of jobs chosen at random: the copies where the backup has them, else those in the store.
 *
 * @throws RmbgError BACKUP_INVALID saying what differs
 */
export async function drill(
  { database, store, vault }: { database: Database; store: ObjectStore; vault: Vault },
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Drilled> {
  const startedAt = performance.now()
  const scratch = await database.openScratch()
  try {
    await fillDatabase(vault, manifest, scratch)
    const restoreMs = Math.round(performance.now() - startedAt)
    await assertRestored(manifest, scratch)
    await failPoint('backup:drilled')
    const objects = await sampleObjects(scratch.sql, sampledJobs)
    for (const { key, sha256 } of objects) {
      signal.throwIfAborted()
      const [holder, place] = manifest.objects.copied ? [vault.store, `objects/${key}`] : [store, key]
      if (await isIntact(holder, place, sha256, signal)) continue
      throw new RmbgError('BACKUP_INVALID', `The object ${key} is not what the backup says.`, {
        hint: 'rmbg backup verify reads all of them.',
      })
    }
    return { restoreMs, objectsChecked: objects.length }
  } finally {
    await scratch.close()
  }
}
