import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { RmbgError } from './errors.ts'
import type { ObjectStore } from './store/contract.ts'

/**
 * A whole object, checked.
 *
 * @param expectedSha256 hex
 * @throws RmbgError STORE_CHECKSUM, or what the store throws
 */
export async function readStored(store: ObjectStore, key: string, expectedSha256: string): Promise<Buffer> {
  const bytes = await buffer(await store.get(key))
  if (createHash('sha256').update(bytes).digest('hex') === expectedSha256) return bytes
  throw new RmbgError('STORE_CHECKSUM', `The stored object ${key} is not what was written.`, {
    hint: 'Process the image again with --force to make it anew.',
  })
}
