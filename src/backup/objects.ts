import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import pLimit from 'p-limit'
import type postgres from 'postgres'
import { type ReferredObject, referredObjects } from '../database/backups.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { ObjectStore, StoredObject } from '../store/contract.ts'
import { contentTypeOf } from '../store/keys.ts'
import { isDamage, retryDamaged, streamVerified } from '../store/verified.ts'
import { measured } from './sha256.ts'
import { at, type Vault } from './vault.ts'

export const objectsFile = 'objects.tsv.gz'
/** Objects on the way at once. */
const concurrency = 8
/** In the order of keys. */
const kinds = ['mask', 'original', 'processed'] as const

export interface CopiedObjects {
  count: number
  bytes: number
  /** Not in the store they were to come from. */
  missing: string[]
  /** There, but not what was written. */
  damaged: string[]
  /** Really copied; the others were there already. */
  copied: number
}

const nothingYet = (): CopiedObjects => ({ count: 0, bytes: 0, missing: [], damaged: [], copied: 0 })

interface Place {
  store: ObjectStore
  keyOf: (key: string) => string
}

/**
 * Copies objects that are not there yet in the same size: within the server where both stores are on one, otherwise
 * through this process, compared with their checksums. Wanted and present objects come in one order, so they are
 * merged and memory stays flat.
 *
 * @returns yields each wanted object when it is there or on its way; all are there when it ends
 */
export async function* copyObjects(
  wanted: (kind: (typeof kinds)[number]) => AsyncIterable<ReferredObject>,
  from: Place,
  to: Place,
  result: CopiedObjects,
  signal: AbortSignal,
): AsyncGenerator<ReferredObject> {
  const limit = pLimit(concurrency)
  const running = new Set<Promise<void>>()
  const copyOne = async ({ key, sha256 }: ReferredObject) => {
    const copiedInside = await from.store.copyTo(from.keyOf(key), to.store, to.keyOf(key), signal)
    if (!copiedInside) {
      await retryDamaged(async () => {
        const body = Readable.from(streamVerified(from.store, from.keyOf(key), sha256, signal), {
          objectMode: false,
        })
        await to.store.put(to.keyOf(key), body, { contentType: contentTypeOf(key), sha256, signal })
      })
    }
    result.copied++
    await failPoint('backup:object')
  }
  for (const kind of kinds) {
    const present = to.store.list(to.keyOf(`${kind}/`), signal)[Symbol.asyncIterator]()
    let found: StoredObject | undefined = (await present.next()).value
    for await (const object of wanted(kind)) {
      signal.throwIfAborted()
      const target = to.keyOf(object.key)
      while (found && found.key < target) found = (await present.next()).value
      result.count++
      result.bytes += object.size
      if (found?.key !== target || found.size !== object.size) {
        const task: Promise<void> = limit(() => copyOne(object)).catch((error) => {
          if (isDamage(error)) result.damaged.push(object.key)
          else if (error instanceof RmbgError && error.code === 'STORE_OBJECT_MISSING')
            result.missing.push(object.key)
          else throw error
        })
        task.finally(() => running.delete(task)).catch(() => {})
        running.add(task)
        if (running.size >= concurrency * 2) await Promise.race(running)
      }
      yield object
    }
    await present.return?.()
  }
  await Promise.all(running)
}

/** From the store to the vault, with the list of what this backup needs; the list is written when all is there. */
export async function backUpObjects(
  vault: Vault,
  backupId: string,
  connection: postgres.Sql,
  store: ObjectStore,
  { signal, onObject }: { signal: AbortSignal; onObject: () => void },
): Promise<CopiedObjects & { sha256: string }> {
  const result = nothingYet()
  const lines = async function* () {
    const objects = copyObjects(
      (kind) => referredObjects(connection, kind),
      { store, keyOf: (key) => key },
      { store: vault.store, keyOf: (key) => at(vault, `objects/${key}`) },
      result,
      signal,
    )
    for await (const { key, size, sha256 } of objects) {
      onObject()
      yield `${key}\t${size}\t${sha256}\n`
    }
  }
  const source = Readable.from(lines())
  const zipped = createGzip()
  source.once('error', (error) => zipped.destroy(error))
  const { body, sha256 } = measured(source.pipe(zipped))
  await vault.store.put(at(vault, `${backupId}/${objectsFile}`), body, {
    contentType: 'application/gzip',
    sha256,
    signal,
  })
  return { ...result, sha256: sha256() }
}

/** The objects that a backup holds, in the order of their keys. */
export async function* listedObjects(vault: Vault, backupId: string): AsyncGenerator<ReferredObject> {
  const zipped = await vault.store.get(at(vault, `${backupId}/${objectsFile}`))
  const text = zipped.pipe(createGunzip())
  zipped.once('error', (error) => text.destroy(error))
  for await (const line of createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })) {
    const [key, size, sha256] = line.split('\t')
    yield { key: key!, size: Number(size), sha256: sha256! }
  }
}

/** From the vault to the store: what a restored log refers to. */
export async function restoreObjects(
  vault: Vault,
  backupId: string,
  store: ObjectStore,
  { signal, onObject }: { signal: AbortSignal; onObject: () => void },
): Promise<CopiedObjects> {
  const result = nothingYet()
  const objects = copyObjects(
    (kind) => ofKind(listedObjects(vault, backupId), kind),
    { store: vault.store, keyOf: (key) => at(vault, `objects/${key}`) },
    { store, keyOf: (key) => key },
    result,
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
 * Removes copies that no backup needs any more. Lists and copies have one order, so they are merged.
 *
 * @returns how many
 */
export async function removeUnneeded(
  vault: Vault,
  backupIds: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const lists = backupIds.map((backupId) => listedObjects(vault, backupId))
  const heads = await Promise.all(
    lists.map(async (list) => (await list.next()).value?.key as string | undefined),
  )
  let removed = 0
  const waiting: string[] = []
  const root = at(vault, 'objects/')
  for await (const { key } of vault.store.list(root, signal)) {
    const wanted = key.slice(root.length)
    let isNeeded = false
    for (const [index, list] of lists.entries()) {
      while (heads[index] !== undefined && heads[index] < wanted) {
        heads[index] = (await list.next()).value?.key
      }
      isNeeded ||= heads[index] === wanted
    }
    if (isNeeded) continue
    waiting.push(key)
    removed++
    if (waiting.length >= 1000) await vault.store.remove(waiting.splice(0), signal)
  }
  if (waiting.length > 0) await vault.store.remove(waiting, signal)
  return removed
}
