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

/** An original: `isShared` when an earlier job has stored it. */
export interface KeptOriginal extends SentObject {
  isShared: boolean
}

/** The objects of one image on their way to the store, while the work on the image goes on. */
export interface Uploads {
  /** Returns at once; whether the object arrives, `acknowledged` and `settled` tell. One that is not kept is only measured. */
  send(kind: ObjectKind, job: { jobId: string; attempt: number }, file: ObjectFile): SentObject
  /**
   * Sends the original unless it turns out to be stored already.
   *
   * @param stored the key of the same original; undefined where it has to be sent. Never rejects
   * @returns resolves, or rejects, before `acknowledged` and `settled` do
   */
  sendOriginal(
    job: { jobId: string; attempt: number },
    file: ObjectFile,
    stored: Promise<string | undefined>,
  ): Promise<KeptOriginal>
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
  const wait = (arrival: Promise<unknown>) => {
    arrival.catch(() => {}) // `acknowledged` reports it; until then it must not count as unhandled
    sent.push(arrival)
  }
  const begin: (...args: Parameters<Uploads['send']>) => SentObject & { arrival: Promise<unknown> } = (
    kind,
    { jobId, attempt },
    { bytes, extension, contentType, sha256 = sha256Of(bytes) },
  ) => {
    const size = bytes.byteLength
    if (!keep.includes(kind)) return { key: null, bytes: size, sha256, arrival: Promise.resolve() }
    const key = objectKey(kind, jobId, attempt, extension)
    keys.push(key)
    return { key, bytes: size, sha256, arrival: store.put(key, bytes, { contentType, sha256 }) }
  }
  const original: Uploads['sendOriginal'] = async (job, file, stored) => {
    const key = await stored
    if (key !== undefined) {
      const { bytes, sha256 = sha256Of(bytes) } = file
      return { key, bytes: bytes.byteLength, sha256, isShared: true }
    }
    const { arrival, ...own } = begin('original', job, file)
    await arrival
    return { ...own, isShared: false }
  }
  return {
    send: (...args) => {
      const { arrival, ...object } = begin(...args)
      wait(arrival)
      return object
    },
    sendOriginal: (...args) => {
      const sending = original(...args)
      wait(sending)
      return sending
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
