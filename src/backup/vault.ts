import { randomBytes } from 'node:crypto'
import type { ObjectStore } from '../store/contract.ts'

/** Where backups are kept: `<backup id>/` for each, and `objects/` for the objects that they share. */
export interface Vault {
  store: ObjectStore
  /** As it was given: a folder, or `s3://bucket/prefix`. */
  location: string
}

const idPattern = String.raw`\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[0-9a-f]{6}`
export const backupIdRule = new RegExp(`^${idPattern}$`)

/**
 * A new id, such as `2026-11-21T03-00-00Z-1a2b3c`: ids sort by time.
 *
 * @param createdAt ISO 8601, UTC
 */
export const backupIdOf = (createdAt: string): string =>
  `${createdAt.slice(0, 19).replaceAll(':', '-')}Z-${randomBytes(3).toString('hex')}`

const inFolder = new RegExp(`^(${idPattern})/(.+)$`)

/** The backup that a key belongs to; undefined for anything else. */
export function splitKey(key: string): { backupId: string; file: string } | undefined {
  const [, backupId, file] = inFolder.exec(key) ?? []
  return backupId === undefined || file === undefined ? undefined : { backupId, file }
}

const namesBackup = new RegExp(`^(.*?)/?(${idPattern})/?$`)

/**
 * Splits a location that may name one backup: `FOLDER/<backup id>` or `s3://bucket/prefix/<backup id>`.
 *
 * @returns without `backupId` when it names none
 */
export function splitLocation(location: string): { place: string; backupId?: string } {
  const [, place, backupId] = namesBackup.exec(location) ?? []
  return backupId === undefined ? { place: location } : { place: place || '.', backupId }
}
