import type { ObjectKind, ObjectStore } from '../store/contract.ts'
import { objectKey } from '../store/keys.ts'
import { sha256Of } from '../system/sha256.ts'

interface ObjectFile {
  bytes: Uint8Array
  extension: string
  contentType: string
  /** Hex; computed where it is not known yet. */
  sha256?: string
}

/** What the row of a job keeps of an object. */
export interface SentObject {
  /** Null where objects of this kind are not kept. */
  key: string | null
  /** Length. */
  bytes: number
  /** Hex. */
  sha256: string
}

/** The objects of one image on their way to the store, while the work on the image goes on. */
export interface Uploads {
  /** Returns at once; whether the object arrives, `acknowledged` and `settled` tell. One that is not kept is only measured. */
  send(kind: ObjectKind, job: { jobId: string; attempt: number }, file: ObjectFile): SentObject
  /** Of all objects sent so far, whether they arrived or not. */
  keys(): string[]
  /** @throws what the store threw at the first object that it refused */
  acknowledged(): Promise<void>
  /** Resolves when nothing is on its way any more, whether it arrived or not. */
  settled(): Promise<void>
}

/** @param keep the kinds of objects to store */
export function uploadsTo(store: ObjectStore, keep: readonly ObjectKind[]): Uploads {
  const keys: string[] = []
  const sent: Promise<unknown>[] = []
  return {
    send: (kind, { jobId, attempt }, { bytes, extension, contentType, sha256 = sha256Of(bytes) }) => {
      if (!keep.includes(kind)) return { key: null, bytes: bytes.byteLength, sha256 }
      const key = objectKey(kind, jobId, attempt, extension)
      const upload = store.put(key, bytes, { contentType, sha256 })
      upload.catch(() => {}) // `acknowledged` reports it; until then it must not count as unhandled
      keys.push(key)
      sent.push(upload)
      return { key, bytes: bytes.byteLength, sha256 }
    },
    keys: () => [...keys],
    acknowledged: async () => {
      await Promise.all(sent)
    },
    settled: async () => {
      await Promise.allSettled(sent)
    },
  }
}
