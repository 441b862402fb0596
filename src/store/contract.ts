import type { Readable } from 'node:stream'

/** The three objects kept for every image; also the first segment of their keys. */
export const objectKinds = ['original', 'mask', 'processed'] as const
export type ObjectKind = (typeof objectKinds)[number]

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
   * digest is known at its end only.
   */
  sha256: string | (() => string)
  signal?: AbortSignal
}

/** Whether a removal frees space: 'off' it does; 'enabled' or 'suspended' old versions may stay. */
export type Versioning = 'off' | 'enabled' | 'suspended'

/** Old versions of objects, as buckets with versioning keep them behind removals and overwrites. */
export interface ObjectVersions {
  /** A store that does not know versioning is 'off'. */
  state(signal?: AbortSignal): Promise<Versioning>
  /**
   * Removes every version and delete marker of these exact keys, the current version too. Keys that are absent are
   * not an error.
   *
   * @returns versions removed (delete markers do not count) and the bytes freed
   */
  purge(keys: readonly string[], signal?: AbortSignal): Promise<{ versions: number; bytes: number }>
}

/**
 * Where originals, masks and cut-outs live.
 *
 * `put` is atomic: a reader sees the whole old object, the whole new one, or none. It resolves only after
 * the store acknowledged the bytes as durable and a checksum of what arrived was compared with what was
 * sent. Repeating a `put` of the same key is always safe and overwrites.
 * "Absent" is `undefined` from `head`, STORE_OBJECT_MISSING from `get`, and silence from `remove`.
 * Drivers ride out transient failures themselves; what they throw is an RmbgError of family `store`
 * that is worth a person's attention. No message ever holds a credential.
 */
export interface ObjectStore {
  /** For people and logs: `s3://bucket` or an absolute folder. Never a secret. */
  readonly location: string
  /** Fails early, with the sentence a user needs, when nothing could be written. Writes no object. */
  check(signal?: AbortSignal): Promise<void>
  put(key: string, body: Uint8Array | Readable, options: PutOptions): Promise<StoredObject>
  get(key: string, signal?: AbortSignal): Promise<Readable>
  head(key: string, signal?: AbortSignal): Promise<StoredObject | undefined>
  /** All objects whose key starts with `prefix`, in key order, page by page with flat memory. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject>
  /** Deletes the keys; keys that are absent are not an error. */
  remove(keys: readonly string[], signal?: AbortSignal): Promise<void>
  /**
   * A URL a person can open, whether or not the object is there. Whoever has it can read the object until it expires,
   * and a credential of short life may end it sooner: it belongs in no log. A file: URL never expires.
   *
   * @param expiresSeconds 1 to 604800, a week
   */
  link(key: string, expiresSeconds: number): Promise<string>
  /** Only where the store can keep old versions of objects (S3). */
  readonly versions?: ObjectVersions
  /**
   * Copies an object within the server, its bytes never coming here; size and checksum are compared.
   *
   * @returns false where the two stores are not on one server
   */
  copyTo?(key: string, target: ObjectStore, targetKey: string, signal?: AbortSignal): Promise<boolean>
  close(): Promise<void>
}

/** The digest of a body that has been read to its end. */
export const digestOf = (sha256: PutOptions['sha256']): string =>
  typeof sha256 === 'string' ? sha256 : sha256()
