import type { StoredOriginal } from '../database/jobs.ts'
import type { ObjectStore } from '../store/contract.ts'
import { isIntact } from '../store/verified.ts'

/**
 * Whether the original of an earlier job can stand for that of this one. The log does not know: the object may be
 * in a bucket that was used before, or lost.
 *
 * @param stored as the log has it; undefined where it has none
 * @param original what is to be stored
 * @param options.thoroughly read it: who asks for everything anew may do so because it is damaged
 * @returns its key; undefined also where the store does not answer, which then shows in storing an own one
 */
export async function reusableOriginal(
  store: ObjectStore,
  stored: StoredOriginal | undefined,
  original: { bytes: Uint8Array; sha256: string },
  { thoroughly }: { thoroughly: boolean },
): Promise<string | undefined> {
  if (stored?.bytes !== original.bytes.byteLength) return undefined
  try {
    const found = await store.head(stored.key)
    if (found?.size !== stored.bytes) return undefined
    if (found.sha256 !== undefined && found.sha256 !== original.sha256) return undefined
    if (thoroughly && !(await isIntact(store, stored.key, original.sha256))) return undefined
    return stored.key
  } catch {
    return undefined
  }
}
