import type { Readable } from 'node:stream'

/** The three objects kept for every image; also the first segment of their keys. */
export const objectKinds = ['original', 'mask', 'processed'] as const
export type ObjectKind = (typeof objectKinds)[number]

/**
 * Where originals, masks and cut-outs live: a folder, a bucket, or one of these for each kind.
 *
 * Methods may be called at the same time and in any order; `close` comes last. Every method may be repeated: doing it
 * twice leaves what doing it once leaves. Drivers ride out transient failures of single requests. What they throw then
 * is an RmbgError of family `store` that a person has to act on, or the reason of the signal. No message holds a
 * credential.
 *
 * Two members say what only some stores can do: `versions` and `bucket`.
 */
export interface ObjectStore {
  /** For people and logs: `s3://bucket at https://server` or an absolute folder. Never a secret. */
  readonly location: string

  /** Old versions of objects. Absent where a store cannot keep any: there, `remove` frees the space. */
  readonly versions?: ObjectVersions

  /** What other stores need to copy to this one within the server. Absent where there is no server. */
  readonly bucket?: BucketAddress

  /**
   * Fails, with the sentence a user needs, if the store cannot be used at all. Writes no object.
   *
   * @throws RmbgError STORE_DENIED, STORE_UNAVAILABLE or STORE_FULL
   */
  check(signal?: AbortSignal): Promise<void>

  /**
   * Writes an object, or replaces the one with that key. Atomic: a reader sees all of the old object, all of the new one,
   * or none. Resolves when the bytes are durable and the checksum of what arrived is that of what was sent.
   *
   * After a failure the old object, if any, is still there; the new one is there only if the answer to a completed write
   * was lost. A body of bytes may be put again; a stream has been read and may not.
   *
   * @throws RmbgError STORE_CHECKSUM if the body is not what `sha256` says, now or when it arrived; then nothing was written.
   * STORE_CONFLICT if `onlyIf` does not hold; then nothing was written either
   */
  put(key: string, body: Uint8Array | Readable, options: PutOptions): Promise<StoredObject>

  /**
   * Opens an object for reading. Once it has resolved, the stream gives the bytes of one object, even if the key is
   * overwritten meanwhile. The stream ends early only with an error. `verified.ts` compares the bytes with their SHA-256; the stream
   * itself may fail with STORE_OBJECT_DAMAGED at its end, where the server sends a checksum.
   *
   * @throws RmbgError STORE_OBJECT_MISSING if there is no such object
   */
  get(key: string, options?: GetOptions): Promise<ObjectStream>

  /** What is known of an object without reading it; `undefined` if there is none. */
  head(key: string, signal?: AbortSignal): Promise<StoredObject | undefined>

  /**
   * All objects whose key starts with `prefix`, in key order, page by page with flat memory. Nothing if there are none.
   * An object that is written or removed meanwhile may or may not be listed; all others are, once.
   */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject>

  /**
   * Removes objects. Not atomic: after a failure some are gone and others are not. Absent keys are no error. Old versions
   * stay where a store keeps them.
   */
  remove(keys: readonly string[], signal?: AbortSignal): Promise<void>

  /**
   * A URL that opens the object, made without asking whether it is there. Anybody who has the URL can read the object
   * until it expires, so it belongs in no log. It ends sooner if the credentials do. A file: URL never expires.
   *
   * @param expiresSeconds 1 to 604800, a week
   * @throws RmbgError USAGE for any other number, where links expire
   */
  link(key: string, expiresSeconds: number): Promise<string>

  /**
   * Copies an object within the server, as atomically as `put`. Its bytes do not pass through this process; size and
   * checksum are compared.
   *
   * @returns false, with nothing done, if the server cannot: the stores are not on the same one, the object is absent or too large
   */
  copyTo(key: string, target: ObjectStore, targetKey: string, signal?: AbortSignal): Promise<boolean>

  /** Releases connections. May be called again. */
  close(): Promise<void>
}

export interface StoredObject {
  key: string
  /** Bytes. */
  size: number
  lastModified: Date
  contentType?: string
  /** Hex SHA-256 given at `put`, where the store keeps it (S3 user metadata). */
  sha256?: string
}

export interface PutOptions {
  contentType: string
  /**
   * Hex SHA-256 of the body; kept with the object where the store has a place for it. A function for a stream whose
   * digest is known only at its end.
   */
  sha256: string | (() => string)
  /**
   * Only for bodies of bytes: write unless there is an object with that key, or only if it is the one with this etag. A
   * server that does not know such conditions writes always; folders know 'absent' and no etags.
   */
  onlyIf?: 'absent' | { etag: string | undefined }
  signal?: AbortSignal
}

export interface GetOptions {
  signal?: AbortSignal
  /** Continues a read that broke off. */
  from?: {
    /** Bytes to skip; fewer than the object has. */
    offset: number
    /** Of the stream that broke off. If the object is another one by now, `get` fails. */
    etag: string | undefined
  }
}

/** The bytes of an object. Its `etag`, where the store has one, is the same only for the same bytes. */
export type ObjectStream = Readable & { readonly etag?: string }

export interface BucketAddress {
  /** The same string for stores that can copy to each other. */
  server: string
  name: string
  /** Of all keys of the store within the bucket; empty or ending in a slash. */
  prefix: string
}

/** Whether a removal frees space: 'off' it does; 'enabled' or 'suspended' old versions may stay. */
export type Versioning = 'off' | 'enabled' | 'suspended'

/** Old versions of objects, as buckets with versioning keep them after removals and overwrites. */
export interface ObjectVersions {
  /** A server that does not know versioning is 'off'. */
  state(signal?: AbortSignal): Promise<Versioning>

  /**
   * Removes every version and delete marker of these exact keys, the current version too. Not atomic, and may be
   * repeated. Absent keys are no error.
   *
   * @returns versions removed (delete markers do not count) and the bytes freed
   */
  purge(keys: readonly string[], signal?: AbortSignal): Promise<{ versions: number; bytes: number }>

  /**
   * Plans how buckets should keep old versions, then archive and expire them. Reads settings and changes none.
   *
   * @returns a plan for each bucket
   * @throws RmbgError USAGE for impossible numbers of days
   */
  plan(retention: Retention): Promise<BucketPlan[]>
}

/** What happens to the versions that removals and overwrites leave behind. */
export interface Retention {
  /** Whole days, at least 1. */
  archiveAfterDays: number
  /** A storage class of the server, such as GLACIER; 'none' leaves old versions where they are. */
  archiveClass: string
  /** Whole days, at least 1; more than archiveAfterDays if old versions are archived. */
  expireAfterDays: number
}

/** What a bucket does with old versions now, and what it will do. Only the plan itself can be executed. */
export interface BucketPlan {
  readonly bucket: string
  readonly versioning: { readonly now: Versioning; readonly wanted: 'enabled' }
  /** Only the rules of rmbg, each described in one line. */
  readonly rules: readonly { readonly id: string; readonly now: string | null; readonly wanted: string }[]
  /** Whether the bucket differs from what is wanted. */
  readonly changes: boolean

  /**
   * Makes exactly these changes and reads them back. A plan without changes does nothing.
   *
   * @throws RmbgError REFUSED, with nothing done, if the settings of the bucket are not those that were planned with;
   * STORE_DENIED if the server refuses the changes or does not keep them
   */
  execute(): Promise<BucketChanges>
}

/** What was changed. */
export interface BucketChanges {
  bucket: string
  /** Whether versioning was turned on; false if it was on already. */
  versioningEnabled: boolean
  /** Ids of the lifecycle rules that were added or replaced. */
  rulesSet: string[]
}

/** The SHA-256 of a body that has been read to its end. */
export const finalSha256 = (sha256: PutOptions['sha256']): string =>
  typeof sha256 === 'string' ? sha256 : sha256()
