/**
 * Who may remove what an attempt left in the store. Keys of attempts differ, so nobody removes what another attempt at
 * the job has completed. Originals may be named by other jobs, so about them the log is asked.
 */
import { neededOriginals } from '../database/shared-originals.ts'
import { type ObjectStore, objectKinds } from '../store/contract.ts'
import { jobPrefix, keyParts, originalsAmong } from '../store/keys.ts'
import type { Batch } from './contract.ts'
import type { Uploads } from './uploads.ts'

/** Tells the keys of those originals that must stay, see `neededOriginals`. */
type Needed = (originals: { key: string; jobId: string }[]) => Promise<ReadonlySet<string>>

export const neededIn =
  ({ database }: Pick<Batch, 'database'>): Needed =>
  (originals) =>
    neededOriginals(database.sql, originals)

/**
 * Removes what this attempt has sent. Only for one that has lost its job: it never will be completed. If it was, without
 * hearing of it, another job may share its original.
 *
 * What cannot be removed is left to `rmbg orphans`, without an error: the outcome of the image is settled, and a store may take objects
 * from somebody who may not remove any.
 */
export async function removeOwn(store: ObjectStore, uploads: Uploads, needed: Needed): Promise<void> {
  await uploads.settled()
  await removeUnneeded(store, uploads.keys(), needed).catch(() => {})
}

/**
 * Removes what the attempts before this one left under the job's id. Once this one is claimed, those cannot complete
 * the job any more, not even when they wake up. Later attempts may, so their objects stay, however late it is here.
 * So does the original of an earlier attempt that was completed once, where another job shares it.
 *
 * What cannot be removed is left to `rmbg orphans`. Never rejects.
 */
export async function removeEarlier(
  store: ObjectStore,
  { jobId, attempt }: { jobId: string; attempt: number },
  needed: Needed,
): Promise<void> {
  if (attempt === 1) return
  try {
    const earlier: string[] = []
    for (const kind of objectKinds) {
      for await (const { key } of store.list(jobPrefix(kind, jobId))) {
        const parts = keyParts(key)
        if (parts && parts.attempt < attempt) earlier.push(key)
      }
    }
    await removeUnneeded(store, earlier, needed)
  } catch {
    // As above.
  }
}

async function removeUnneeded(store: ObjectStore, keys: readonly string[], needed: Needed): Promise<void> {
  const staying = await needed(originalsAmong(keys))
  await store.remove(keys.filter((key) => !staying.has(key)))
}
