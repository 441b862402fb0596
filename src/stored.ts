import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import pRetry from 'p-retry'
import { RmbgError } from './errors.ts'
import type { ObjectStore } from './store/contract.ts'

/**
 * A whole object, checked.
 *
 * @param expectedSha256 hex
 * @throws RmbgError STORE_CHECKSUM, or what the store throws
 */
export function readStored(store: ObjectStore, key: string, expectedSha256: string): Promise<Buffer> {
  return againWhenDamaged(async () => {
    const bytes = await buffer(await store.get(key))
    if (createHash('sha256').update(bytes).digest('hex') === expectedSha256) return bytes
    throw new RmbgError('STORE_CHECKSUM', `The stored object ${key} is not what was written.`, {
      hint: 'Process the image again with --force to make it anew.',
    })
  })
}

/** Reads again what did not come as it was written: damaged on its way here, it comes right; where it lies, it does not. */
export function againWhenDamaged<T>(read: () => Promise<T>): Promise<T> {
  return pRetry(read, {
    retries: 3,
    minTimeout: 100,
    shouldRetry: ({ error }) => error instanceof RmbgError && error.code === 'STORE_CHECKSUM',
  })
}
