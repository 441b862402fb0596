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
  /** Hex SHA-256 of the body; kept with the object where the store has a place for it. */
  sha256: string
  signal?: AbortSignal
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
  /** A URL that shows the object to whoever has it, for so many seconds; a file's own URL never expires. */
  link(key: string, expiresSeconds: number): Promise<string>
  close(): Promise<void>
}
