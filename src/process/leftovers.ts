/** Who may remove what an attempt left in the store. Keys of attempts differ, so nobody removes what a row names. */
import { type ObjectStore, objectKinds } from '../store/contract.ts'
import { jobPrefix, keyParts } from '../store/keys.ts'
import type { Uploads } from './uploads.ts'

/**
 * Removes what this attempt has sent. Only for one that has lost its job: no row will ever name its objects.
 *
 * What cannot be removed is left to `rmbg orphans`, without an error: the outcome of the image is settled, and a store may take objects
 * from somebody who may not remove any.
 */
export async function removeOwn(store: ObjectStore, uploads: Uploads): Promise<void> {
  await uploads.settled()
  await store.remove(uploads.keys()).catch(() => {})
}

/**
 * Removes what the attempts before this one left under the job's id. Once this one is claimed, those cannot complete
 * the job any more, not even when they wake up. Later attempts may, so their objects stay, however late it is here.
 * So does an original of a job that was completed once, where another job shares it.
 *
 * What cannot be removed is left to `rmbg orphans`. Never rejects.
 *
 * @param needed tells the keys of those originals that other jobs name, see `neededOriginals`
 */
export async function removeEarlier(
  store: ObjectStore,
  { jobId, attempt }: { jobId: string; attempt: number },
  needed: (originals: { key: string; jobId: string }[]) => Promise<ReadonlySet<string>>,
): Promise<void> {
  if (attempt === 1) return
  try {
    const earlier: string[] = []
    const originals: { key: string; jobId: string }[] = []
    for (const kind of objectKinds) {
      for await (const { key } of store.list(jobPrefix(kind, jobId))) {
        const parts = keyParts(key)
        if (!parts || parts.attempt >= attempt) continue
        earlier.push(key)
        if (kind === 'original') originals.push({ key, jobId })
      }
    }
    const staying = await needed(originals)
    await store.remove(earlier.filter((key) => !staying.has(key)))
  } catch {
    // As above.
  }
}
