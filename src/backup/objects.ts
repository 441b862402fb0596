import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { boundedTasks } from '../bounded-tasks.ts'
import { type ReferredObject, referredObjects } from '../database/backups.ts'
import type { Snapshot } from '../database/contract.ts'
import { sharedOriginals } from '../database/shared-originals.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectStore, StoredObject } from '../store/contract.ts'
import { contentTypeOf } from '../store/keys.ts'

import { mergeSorted } from '../store/merge-sorted.ts'
import { isDamage, retryDamaged, streamVerified } from '../store/verified.ts'
import { measured } from '../system/sha256.ts'

import type { Vault } from './vault.ts'

export const objectsFile = 'objects.tsv.gz'
/** Objects on the way at once. */
const concurrency = 8
/** In the order of keys. */
const kinds = ['mask', 'original', 'processed'] as const
type Kind = (typeof kinds)[number]

export interface CopiedObjects {
  /** Wanted objects, and their bytes. */
  count: number
  bytes: number
  /** Not in the store they were to come from. */
  missing: string[]
  /** There, but not what was written. */
  damaged: string[]
  /** Copied now; the others were there already. */
  copied: number
}

interface Place {
  store: ObjectStore
  keyOf: (key: string) => string
}

/**
 * Copies objects that are not there yet in the same size: within the server where both stores are on one, otherwise
 * through this process, compared with their checksums. Wanted and present objects come in the same order, so they are
 * merged and memory stays flat.
 *
 * @param wanted sorted by key
 * @returns `objects` yields each wanted object when its copy is there or on its way, and ends when all are there; then
 *   `result` is complete
 */
function copyObjects(
  wanted: (kind: Kind) => AsyncIterable<ReferredObject>,
  from: Place,
  to: Place,
  signal: AbortSignal,
): { objects: AsyncGenerator<ReferredObject>; result: CopiedObjects } {
  const result: CopiedObjects = { count: 0, bytes: 0, missing: [], damaged: [], copied: 0 }
  const copyOne = async (object: ReferredObject) => {
    try {
      await copyObject(object, from, to, signal)
      result.copied++
      await failPoint('backup:object')
    } catch (error) {
      if (isDamage(error)) result.damaged.push(object.key)
      else if (isMissing(error)) result.missing.push(object.key)
      else throw error
    }
  }
  const objects = async function* () {
    const copies = boundedTasks(concurrency)
    try {
      for (const kind of kinds) {
        const steps = mergeSorted<[ReferredObject, StoredObject]>(
          { items: wanted(kind), keyOf: ({ key }) => to.keyOf(key) },
          { items: to.store.list(to.keyOf(`${kind}/`), signal), keyOf: ({ key }) => key },
        )
        for await (const { items } of steps) {
          signal.throwIfAborted()
          const [[object], [present]] = items
          if (!object) continue
          result.count++
          result.bytes += object.size
          copies.throwFailure()
          if (present?.size !== object.size) await copies.add(() => copyOne(object))
          yield object
        }
      }
    } finally {
      await copies.settled()
    }
    copies.throwFailure()
  }
  return { objects: objects(), result }
}

async function copyObject(
  { key, sha256 }: ReferredObject,
  from: Place,
  to: Place,
  signal: AbortSignal,
): Promise<void> {
  if (await from.store.copyTo(from.keyOf(key), to.store, to.keyOf(key), signal)) return
  await retryDamaged(async () => {
    const body = Readable.from(streamVerified(from.store, from.keyOf(key), sha256, signal), {
      objectMode: false,
    })
    await to.store.put(to.keyOf(key), body, { contentType: contentTypeOf(key), sha256, signal })
  })
}

const isMissing = (error: unknown): boolean =>
  error instanceof RmbgError && error.code === 'STORE_OBJECT_MISSING'

/** The objects of one kind that completed jobs name, each once, in the order of their keys; flat memory. */
export async function* wantedObjects(
  connection: Snapshot['connection'],
  kind: Kind,
): AsyncGenerator<ReferredObject> {
  const own = referredObjects(connection, kind)
  if (kind !== 'original') return yield* own
  const keyOf = ({ key }: ReferredObject) => key
  const steps = mergeSorted<[ReferredObject, ReferredObject]>(
    { items: own, keyOf },
    { items: sharedOriginals(connection), keyOf },
  )
  for await (const { items } of steps) {
    const [object] = items.flat()
    if (object) yield object
  }
}

/** Copies from the store to the vault, and lists what this backup needs; the list is written when all is there. */
export async function backUpObjects(
  vault: Vault,
  backupId: string,
  connection: Snapshot['connection'],
  store: ObjectStore,
  { signal, onObject }: { signal: AbortSignal; onObject: () => void },
): Promise<CopiedObjects & { sha256: string }> {
  const { objects, result } = copyObjects(
    (kind) => wantedObjects(connection, kind),
    { store, keyOf: (key) => key },
    { store: vault.store, keyOf: (key) => `objects/${key}` },
    signal,
  )
  const lines = async function* () {
    for await (const { key, size, sha256 } of objects) {
      onObject()
      yield `${key}\t${size}\t${sha256}\n`
    }
  }
  const source = Readable.from(lines())
  const zipped = createGzip()
  source.once('error', (error) => zipped.destroy(error))
  const { body, sha256 } = measured(source.pipe(zipped))
  await vault.store.put(`${backupId}/${objectsFile}`, body, {
    contentType: 'application/gzip',
    sha256,
    signal,
  })
  return { ...result, sha256: sha256() }
}

/** The objects that a backup holds, in the order of their keys. */
export async function* listedObjects(vault: Vault, backupId: string): AsyncGenerator<ReferredObject> {
  const zipped = await vault.store.get(`${backupId}/${objectsFile}`)
  const text = zipped.pipe(createGunzip())
  zipped.once('error', (error) => text.destroy(error))
  for await (const line of createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })) {
    const [key = '', size, sha256 = ''] = line.split('\t')
    yield { key, size: Number(size), sha256 }
  }
}

/** Copies from the vault to the store what a restored log refers to. */
export async function restoreObjects(
  vault: Vault,
  backupId: string,
  store: ObjectStore,
  { signal, onObject }: { signal: AbortSignal; onObject: () => void },
): Promise<CopiedObjects> {
  const { objects, result } = copyObjects(
    (kind) => ofKind(listedObjects(vault, backupId), kind),
    { store: vault.store, keyOf: (key) => `objects/${key}` },
    { store, keyOf: (key) => key },
    signal,
  )
  for await (const _ of objects) {
    onObject()
    await failPoint('restore:object')
  }
  return result
}

async function* ofKind(
  objects: AsyncGenerator<ReferredObject>,
  kind: string,
): AsyncGenerator<ReferredObject> {
  for await (const object of objects) if (object.key.startsWith(`${kind}/`)) yield object
}

/**
 * Removes copies that no backup needs any more. Lists and copies come in the same order, so they are merged.
 *
 * @param backupIds of all backups that are kept
 * @returns how many
 */
export async function removeUnneeded(
  vault: Vault,
  backupIds: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let removed = 0
  const waiting: string[] = []
  const root = 'objects/'
  const steps = mergeSorted<[StoredObject, ...ReferredObject[]]>(
    { items: vault.store.list(root, signal), keyOf: ({ key }) => key.slice(root.length) },
    ...backupIds.map((backupId) => ({
      items: listedObjects(vault, backupId),
      keyOf: ({ key }: ReferredObject) => key,
    })),
  )
  for await (const { items } of steps) {
    const [[copy], ...needed] = items
    if (!copy || needed.some(({ length }) => length > 0)) continue
    waiting.push(copy.key)
    removed++
    if (waiting.length >= 1000) await vault.store.remove(waiting.splice(0), signal)
  }
  if (waiting.length > 0) await vault.store.remove(waiting, signal)
  return removed
}
