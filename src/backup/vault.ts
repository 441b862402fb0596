import type { ObjectStore } from '../store/contract.ts'

/**
 * Where backups are kept: `<backup id>/` for each, and `objects/` for the objects that they share.
 */
export interface Vault {
  store: ObjectStore
  /** Of all keys; empty or ending in a slash. */
  prefix: string
  /** As it was given: a folder, or `s3://bucket/prefix`. */
  location: string
}

export const at = ({ prefix }: Vault, key: string): string => `${prefix}${key}`
