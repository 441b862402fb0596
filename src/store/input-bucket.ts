import type { Readable } from 'node:stream'

/** A bucket that pictures are read from, and nothing else is done with. */
export interface InputBucket {
  /** For people and logs: never a secret. */
  readonly location: string
  /**
   * All objects whose key starts with `prefix`, in key order, page by page.
   *
   * @throws RmbgError of family `store`
   */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ListedObject>
  /**
   * One page of a listing: up to a thousand entries, in the order of the bytes of their keys.
   *
   * @throws RmbgError of family `store`
   */
  page(request: PageRequest, signal?: AbortSignal): Promise<ObjectPage>
  /**
   * What is known of an object without reading it.
   *
   * @throws RmbgError INPUT_NOT_FOUND, or of family `store`
   */
  look(object: ObjectName, signal?: AbortSignal): Promise<ListedObject>
  /**
   * Opens an object as it was when it was listed.
   *
   * @param object with the ETag that it has to have; an empty one, or none, takes it as it is
   * @param options.bytes only so many from its begin; fewer where it has no more
   * @throws RmbgError INPUT_CHANGED when it is another one by now, INPUT_NOT_FOUND when it is gone, or of family `store`
   */
  open(
    object: ObjectName & { etag?: string },
    options?: { bytes?: number; signal?: AbortSignal },
  ): Promise<OpenedObject>
  /**
   * A URL that opens an object until it expires, made without asking whether it is there.
   *
   * @param expiresSeconds 1 to 604800, a week
   * @throws RmbgError USAGE for any other number
   */
  link(object: ObjectName, expiresSeconds: number): Promise<string>
  close(): Promise<void>
}

export interface PageRequest {
  prefix: string
  /** Keys behind this one, by their bytes; absent: from the begin. */
  after?: string
  /** Whether keys with a slash behind the prefix are told by what they have in common up to that slash. */
  byFolder?: boolean
}

export interface ObjectPage {
  objects: ListedObject[]
  /** With `byFolder`: the beginnings of keys, each ending in a slash. */
  folders: string[]
  /** Whether there is more behind it. */
  isCut: boolean
}

export interface ObjectName {
  key: string
  /** Absent: the current one. */
  versionId?: string
}

export interface ListedObject {
  key: string
  /** Bytes. */
  size: number
  /** The same only for the same bytes; to be compared and nothing else. Empty where the server gives none. */
  etag: string
  lastModified: Date
}

export interface OpenedObject {
  /** It ends early only with an error. */
  body: Readable
  /** Where the bucket keeps versions. */
  versionId: string | undefined
}
