/** What a cache does, and how it stands. */
export type CacheFigures =
  | {
      state: 'up'
      /** Answers that came from it, and those that had to be made. */
      hits: number
      misses: number
      /** Undefined where the user may not ask. */
      memory: CacheMemory | undefined
    }
  /** It is set up and does not answer. `reason` is a clause. */
  | { state: 'down'; reason: string }

export interface CacheMemory {
  /** Bytes. */
  used: number
  /** Bytes; 0 where there is no limit. */
  most: number
  /** Of Redis: what goes when it is full. */
  policy: string
  /** Bytes of the machine that it runs on. */
  ofMachine: number
}

/**
 * Answers kept for a while. An entry is bound to a version that the database gives, so it needs no invalidation: any
 * write changes the version, and an entry of another version is not used. A cache that fails is a slower answer,
 * never a wrong one and never an error.
 */
export interface Cache {
  /**
   * The kept answer of this version, or a new one.
   *
   * @param make its result has to survive JSON
   */
  remember<T>(key: string, version: string, make: () => Promise<T>): Promise<T>
  /** Undefined where there is no cache. */
  figures(): Promise<CacheFigures | undefined>
  close(): Promise<void>
}
