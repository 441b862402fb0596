import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import pRetry from 'p-retry'
import { RmbgError } from '../errors.ts'
import type { ObjectStore } from './contract.ts'

/**
 * Reads an object and compares it with the SHA-256 it was written with. Do not trust the bytes before the end.
 *
 * @param sha256 hex
 * @throws RmbgError STORE_OBJECT_DAMAGED at the end if they differ, or what the store throws
 */
export async function* streamVerified(
  store: ObjectStore,
  key: string,
  sha256: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of await store.get(key, signal && { signal })) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') === sha256) return
  throw damaged(key)
}

/** @param cause what found it, if that was not our own SHA-256 */
export const damaged = (key: string, cause?: unknown): RmbgError =>
  new RmbgError('STORE_OBJECT_DAMAGED', `The stored object ${key} is not what was written.`, {
    hint: 'Process the image again with --force to replace it.',
    cause,
  })

/** A whole object, read again if it arrived damaged; parameters and errors are those of `streamVerified`. */
export const readVerified = (store: ObjectStore, key: string, sha256: string): Promise<Buffer> =>
  retryDamaged(() => buffer(streamVerified(store, key, sha256)))

/** Whether an object is what was written; reads all of it. Parameters are those of `streamVerified`. */
export async function isIntact(
  store: ObjectStore,
  key: string,
  sha256: string,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    await retryDamaged(async () => {
      for await (const _ of streamVerified(store, key, sha256, signal));
    })
    return true
  } catch (error) {
    if (isDamage(error)) return false
    throw error
  }
}

/** Retries a read whose checksum does not match, up to 7 times. This repairs damage in transit, not damage in the store. */
export function retryDamaged<T>(read: () => Promise<T>): Promise<T> {
  return pRetry(read, {
    retries: 7,
    factor: 1,
    minTimeout: 100,
    shouldRetry: ({ error }) => isDamage(error),
  })
}

export const isDamage = (error: unknown): boolean =>
  error instanceof RmbgError && error.code === 'STORE_OBJECT_DAMAGED'
