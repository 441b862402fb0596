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
   * What is known of an object without reading it.
   *
   * @throws RmbgError INPUT_NOT_FOUND, or of family `store`
   */
  look(object: ObjectName, signal?: AbortSignal): Promise<ListedObject>
  /**
   * Opens an object as it was when it was listed.
   *
   * @throws RmbgError INPUT_CHANGED when it is another one by now, INPUT_NOT_FOUND when it is gone, or of family `store`
   */
  open(object: Pick<ListedObject, 'key' | 'etag'>, signal?: AbortSignal): Promise<OpenedObject>
  close(): Promise<void>
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
  etag: string
  lastModified: Date
}

export interface OpenedObject {
  /** It ends early only with an error. */
  body: Readable
  /** Where the bucket keeps versions. */
  versionId: string | undefined
}
