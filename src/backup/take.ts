import { countReferredObjects, forgetBackups, recordBackup } from '../database/backups.ts'
import type { Database, DumpFormat, Snapshot } from '../database/contract.ts'
import { tableFigures } from '../database/figures.ts'
import { planMigrations } from '../database/migrate.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectStore } from '../store/contract.ts'
import { measured } from '../system/sha256.ts'
import { type Drilled, drill } from './drill.ts'
import { backupIds, listManifests, type Manifest, manifestFile, writeManifest } from './manifest.ts'
import { backUpObjects, removeUnneeded } from './objects.ts'
import { assertRoom } from './room.ts'
import { backupIdOf, type Vault } from './vault.ts'

export interface BackupServices {
  database: Database
  store: ObjectStore
  vault: Vault
}

export interface BackupOptions {
  program: string
  objects: boolean
  drill: boolean
  /** Backups beyond these are removed; undefined keeps all. */
  keepLast: number | undefined
  keepDays: number | undefined
  signal: AbortSignal
  onObject: () => void
  onStep: (step: string) => void
}

export interface BackupResult {
  manifest: Manifest
  /** Objects that were not in the vault yet. */
  copied: number
  /** Objects that completed jobs name and the store did not have. */
  missing: string[]
  /** Objects that were in the store, but not as they were written; they are not in the backup either. */
  damaged: string[]
  drilled: Drilled | undefined
  removed: string[]
}

/**
 * Takes a backup: dump, copies of the objects, and the manifest last. A folder without a manifest is an interrupted
 * backup, which the next one removes. A backup that fails never touches a complete one.
 *
 * @throws RmbgError REFUSED when another backup, or with objects a prune, is at work
 */
export async function takeBackup(services: BackupServices, options: BackupOptions): Promise<BackupResult> {
  const { database, vault } = services
  const release = await database.tryLock('backup')
  if (!release) throw new RmbgError('REFUSED', 'Another backup of this database is at work.')
  // An object that is pruned while it is copied would be missed.
  const releasePrune = options.objects ? await database.tryLock('prune') : async () => {}
  try {
    if (!releasePrune) {
      throw new RmbgError('REFUSED', 'A prune is at work on this database.', {
        hint: 'Wait until it is done.',
      })
    }
    await vault.store.check(options.signal)
    for (const sentence of await assertRoom(services, options)) options.onStep(sentence)
    for (const backupId of await backupIds(vault, { complete: false })) await removeFolder(vault, backupId)
    const { manifest, ...objects } = await writeBackup(services, options)
    await record(database, vault, manifest, options)
    const drilled = options.drill ? await drillBackup(services, manifest, options) : undefined
    const removed = await expire(services, manifest.backupId, options)
    return { ...objects, manifest: drilled?.manifest ?? manifest, drilled: drilled?.result, removed }
  } finally {
    await releasePrune?.()
    await release()
  }
}

async function writeBackup(
  { database, store, vault }: BackupServices,
  { program, objects, signal, onObject, onStep }: BackupOptions,
): Promise<Pick<BackupResult, 'manifest' | 'copied' | 'missing' | 'damaged'>> {
  const snapshot = await database.openSnapshot()
  try {
    const { connection, version, format, needs } = snapshot
    const createdAt = snapshot.createdAt.toISOString()
    const backupId = backupIdOf(createdAt)
    const { applied } = await planMigrations(database.sql)
    await failPoint('backup:begun')
    onStep('dumping the database')
    const dump = await writeDump(vault, backupId, snapshot, signal)
    await failPoint('backup:dumped')
    signal.throwIfAborted()
    if (objects) onStep('copying objects')
    const copy = objects
      ? await backUpObjects(vault, backupId, connection, store, { signal, onObject })
      : undefined
    await failPoint('backup:listed')
    const { copied, missing, damaged } = copy ?? { copied: 0, missing: [], damaged: [] }
    const { count, bytes } = copy ?? (await countReferredObjects(connection))
    const manifest: Manifest = {
      format: needs ? 2 : 1,
      backupId,
      createdAt,
      finishedAt: new Date().toISOString(),
      program,
      database: { kind: database.kind, version, format, ...dump, needs, migrations: applied },
      objects: {
        ...{ count, bytes, missing: missing.length, damaged: damaged.length },
        ...(copy ? { copied: true, sha256: copy.sha256 } : { copied: false, sha256: null }),
      },
      drill: null,
    }
    await writeManifest(vault, manifest)
    await failPoint('backup:done')
    return { manifest, copied, missing, damaged }
  } finally {
    await snapshot.close()
  }
}

const dumpFiles: Record<DumpFormat, string> = { custom: 'database.dump', plain: 'database.sql' }

/** Dumps the database and digests its tables, both as the snapshot sees them. */
async function writeDump(
  vault: Vault,
  backupId: string,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<Pick<Manifest['database'], 'file' | 'bytes' | 'sha256' | 'tables'>> {
  const file = dumpFiles[snapshot.format]
  const { body, bytes, sha256 } = measured(await snapshot.dump())
  const failed = new AbortController()
  const [, tables] = await Promise.all([
    vault.store.put(`${backupId}/${file}`, body, {
      contentType: 'application/octet-stream',
      sha256,
      signal: AbortSignal.any([signal, failed.signal]),
    }),
    tableFigures(snapshot.connection),
  ]).catch((error) => {
    failed.abort() // one without the other is of no use
    throw error
  })
  return { file, bytes: bytes(), sha256: sha256(), tables }
}

/** Notes the backup in the database. A role that may only read takes a backup all the same. */
async function record(
  database: Database,
  vault: Vault,
  manifest: Manifest,
  { onStep }: BackupOptions,
): Promise<void> {
  try {
    await recordBackup(database.sql, {
      backupId: manifest.backupId,
      location: vault.location,
      createdAt: manifest.createdAt,
      bytes: manifest.database.bytes,
      withObjects: manifest.objects.copied,
      drilledAt: manifest.drill?.at ?? null,
    })
  } catch (error) {
    if (!(error instanceof RmbgError) || error.code !== 'DATABASE_DENIED') throw error
    onStep('not noting it in the database, where this role may not write')
  }
}

async function drillBackup(
  services: BackupServices,
  manifest: Manifest,
  options: BackupOptions,
): Promise<{ manifest: Manifest; result: Drilled }> {
  options.onStep('restoring it for trial')
  const result = await drill(services, manifest, options.signal)
  const { restoreMs, objectsChecked } = result
  const drilled = { ...manifest, drill: { at: new Date().toISOString(), restoreMs, objectsChecked } }
  await writeManifest(services.vault, drilled)
  await record(services.database, services.vault, drilled, options)
  return { manifest: drilled, result }
}

/** Removes backups beyond those to keep. The one just taken always stays, even if older ones have later times. */
async function expire(
  { database, vault }: BackupServices,
  taken: string,
  { keepLast, keepDays, signal }: BackupOptions,
): Promise<string[]> {
  if (keepLast === undefined && keepDays === undefined) return []
  const manifests = await listManifests(vault)
  const since = Date.now() - (keepDays ?? 0) * 86_400_000
  const isKept = ({ backupId, createdAt }: Manifest, index: number) =>
    backupId === taken ||
    index >= manifests.length - Math.max(keepLast ?? 1, 1) ||
    (keepDays !== undefined && Date.parse(createdAt) >= since)
  const removed = manifests.filter((manifest, index) => !isKept(manifest, index))
  for (const { backupId } of removed) {
    await removeFolder(vault, backupId)
    await failPoint('backup:expiring')
  }
  const ids = removed.map(({ backupId }) => backupId)
  await forgetBackups(database.sql, ids)
  if (ids.length > 0) {
    const kept = manifests.filter(({ backupId, objects }) => objects.copied && !ids.includes(backupId))
    await removeUnneeded(
      vault,
      kept.map(({ backupId }) => backupId),
      signal,
    )
  }
  return ids
}

/** Removes the manifest first: a folder without it is not a backup. */
async function removeFolder(vault: Vault, backupId: string): Promise<void> {
  await vault.store.remove([`${backupId}/${manifestFile}`])
  const keys: string[] = []
  for await (const { key } of vault.store.list(`${backupId}/`)) keys.push(key)
  await vault.store.remove(keys)
}
