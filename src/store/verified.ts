import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import pRetry from 'p-retry'
import { RmbgError } from '../errors.ts'
import type { ObjectStore } from './contract.ts'

/**
 * An object's bytes.
 *
 * @param sha256 hex, of what was written
 * @throws RmbgError STORE_OBJECT_DAMAGED at their end where they are not that, or what the store throws
 */
export async function* readAsWritten(
  store: ObjectStore,
  key: string,
  sha256: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of await store.get(key, signal)) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') === sha256) return
  throw new RmbgError('STORE_OBJECT_DAMAGED', `The stored object ${key} is not what was written.`, {
    hint: 'Process the image again with --force to make it anew.',
  })
}

/** A whole object; parameters and errors are those of `readAsWritten`. */
export const readStored = (store: ObjectStore, key: string, sha256: string): Promise<Buffer> =>
  againWhenDamaged(() => buffer(readAsWritten(store, key, sha256)))

/** Whether an object, read to its end, is what was written; parameters are those of `readAsWritten`. */
export async function isIntact(
  store: ObjectStore,
  key: string,
  sha256: string,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await againWhenDamaged(async () => {
      for await (const _ of readAsWritten(store, key, sha256, signal));
    })
    return true
  } catch (error) {
    if (isDamage(error)) return false
    throw error
  }
}

/** Reads again what did not come as it was written: damaged on its way here, it comes right; where it lies, it does not. */
export function againWhenDamaged<T>(read: () => Promise<T>): Promise<T> {
  return pRetry(read, {
    retries: 7,
    factor: 1,
    minTimeout: 100,
    shouldRetry: ({ error }) => isDamage(error),
  })
}

export const isDamage = (error: unknown): boolean =>
  error instanceof RmbgError && error.code === 'STORE_OBJECT_DAMAGED'
