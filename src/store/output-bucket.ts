/** A bucket that cut-outs are written to besides the store: for others to use, and shared with what others put there. */
export interface OutputBucket {
  /** For people and logs: `s3://bucket`. Never a secret. */
  readonly location: string
  /**
   * What lies at a key.
   *
   * @throws RmbgError of family `store`
   */
  look(key: string, signal?: AbortSignal): Promise<PlacedObject | undefined>
  /** Hex SHA-256 of its bytes, read as they come; undefined where it is another one by now, or gone. */
  digest(key: string, etag: string, signal?: AbortSignal): Promise<string | undefined>
  /**
   * Writes an object, under a condition.
   *
   * @returns false, with nothing done, where the condition does not hold
   * @throws RmbgError of family `store`
   */
  put(key: string, bytes: Uint8Array, options: PlacingOptions): Promise<boolean>
  close(): Promise<void>
}

export interface PlacedObject {
  /** Bytes. */
  size: number
  etag: string
  /** What we said of it when we put it there, both absent where it was not us. Hex. */
  sha256: string | undefined
  /** Which input it was made of. */
  input: string | undefined
}

export interface PlacingOptions {
  contentType: string
  /** Hex. */
  sha256: string
  input: string
  onlyIf: 'absent' | { etag: string }
}
