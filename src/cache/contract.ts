/** How often answers came from the cache. */
export interface CacheFigures {
  hits: number
  misses: number
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
  /** Undefined where nothing is counted: there is no cache, or it does not answer. */
  figures(): Promise<CacheFigures | undefined>
  close(): Promise<void>
}
