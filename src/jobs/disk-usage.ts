/** What lies where: objects by kind, database, models, backups and local files, in bytes. */
import { statfs } from 'node:fs/promises'
import type { Database } from '../database/contract.ts'
import {
  type BackupPlace,
  backupPlaces,
  databaseBytes,
  type ObjectsOfKind,
  objectsByKind,
} from '../database/stored-objects.ts'
import { logSize } from '../database/tombstones.ts'
import { storedBytes } from '../database/usage.ts'
import { type ObjectKind, type ObjectStore, objectKinds } from '../store/contract.ts'
import { keyParts } from '../store/keys.ts'
import { type FolderSize, folderSize } from '../system/folder-size.ts'

export type UsedFolder = FolderSize & { location: string }

export interface DiskUsage {
  store: StoreUsage
  database: { location: string; bytes: number; jobs: number }
  models: UsedFolder
  cache: UsedFolder
  /** The folder of `--output`, where a setting names one. */
  output: UsedFolder | null
  backups: BackupPlace[]
  /** Bytes free on the disk of RMBG_HOME; null where the system does not tell. */
  free: number | null
}

export interface StoreUsage {
  location: string
  /** `log`: what the rows name. `listing`: what is really there. */
  source: 'log' | 'listing'
  kinds: Record<ObjectKind, ObjectsOfKind>
  /** Bytes of deleted jobs: of objects still to be deleted, and of those kept on purpose. */
  awaitingDeletion: number
  keptOfDeletedJobs: number
  /** Objects under our prefixes that are not called like ours; known of a listing only. */
  foreign: ObjectsOfKind | null
}

/** Folders of the installation, as absolute paths. */
export interface UsageFolders {
  home: string
  /** Of the embedded database. */
  database: string
  models: string
  cache: string
  output: string | undefined
}

/**
 * Measures everything that an installation takes up. Folders are walked; the store is taken from the log, unless
 * `exact` lists it.
 *
 * @throws RmbgError of families `database` and `store`
 */
export async function diskUsage(
  { database, store }: { database: Database; store: ObjectStore },
  folders: UsageFolders,
  { exact, signal }: { exact: boolean; signal: AbortSignal },
): Promise<DiskUsage> {
  const { sql, location, kind } = database
  const used = async (location: string) => ({ location, ...(await folderSize(location)) })
  const bytes =
    kind === 'embedded' ? (await folderSize(folders.database)).bytes : await databaseBytes(database)
  const disk = await statfs(folders.home).catch(() => undefined)
  return {
    store: await storeUsage({ database, store }, { exact, signal }),
    database: { location, bytes, jobs: (await logSize(sql, Number.POSITIVE_INFINITY)).jobs },
    models: await used(folders.models),
    cache: await used(folders.cache),
    output: folders.output === undefined ? null : await used(folders.output),
    backups: await backupPlaces(sql),
    free: disk ? disk.bavail * disk.bsize : null,
  }
}

async function storeUsage(
  { database: { sql }, store }: { database: Database; store: ObjectStore },
  { exact, signal }: { exact: boolean; signal: AbortSignal },
): Promise<StoreUsage> {
  const { awaitingDeletion, kept: keptOfDeletedJobs } = await storedBytes(sql)
  const listed = exact ? await listedObjects(store, signal) : undefined
  return {
    location: store.location,
    source: exact ? 'listing' : 'log',
    kinds: listed?.kinds ?? (await objectsByKind(sql)),
    ...{ awaitingDeletion, keptOfDeletedJobs },
    foreign: listed?.foreign ?? null,
  }
}

async function listedObjects(
  store: ObjectStore,
  signal: AbortSignal,
): Promise<{ kinds: Record<ObjectKind, ObjectsOfKind>; foreign: ObjectsOfKind }> {
  const nothing = (): ObjectsOfKind => ({ objects: 0, bytes: 0 })
  const kinds = { original: nothing(), mask: nothing(), processed: nothing() }
  const foreign = nothing()
  for (const kind of objectKinds) {
    for await (const { key, size } of store.list(`${kind}/`, signal)) {
      const counted = keyParts(key) ? kinds[kind] : foreign
      counted.objects++
      counted.bytes += size
    }
  }
  return { kinds, foreign }
}
