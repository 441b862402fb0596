/** What a manifest is about: an address in each line, and what is known of what lies there. */
import { isAddress, isWebAddress } from '../addresses.ts'

/** A picture by its address, as data: a queue can hold it. */
export interface SourceItem {
  /** `s3://bucket/key`, with the key as it is and not URL-encoded; or `https://…`. It may hold credentials. */
  url: string
  /** In quotes, as servers send it. */
  etag?: string
  /** Bytes. */
  size?: number
  /** Of an object in a bucket that keeps versions; absent: the current one. */
  versionId?: string
}

/** A line of a manifest that names no picture. */
export interface BrokenLine {
  /** The manifest, or one of its files. */
  manifest: string
  /** From 1. */
  line: number
  /** As in `it has no url`. */
  problem: string
}

export type ManifestEntry = SourceItem | BrokenLine

export const isBroken = (entry: ManifestEntry): entry is BrokenLine => 'problem' in entry

/** Fields by the names that manifests give them, in lower case and without `_`. */
export type Fields = Readonly<Record<string, unknown>>

/** @returns the item, or what is wrong with it */
export function itemOf(fields: Fields): SourceItem | string {
  const url = fields.url
  if (url === undefined || url === null || url === '') return 'it has no url'
  if (typeof url !== 'string') return 'its url is no text'
  if (!isAddress(url)) return 'its url does not begin with s3:// or https://'
  if (isWebAddress(url) ? !URL.canParse(url) : !/^s3:\/\/[^/]+\/./i.test(url))
    return 'its url is not complete'
  const size = numberOf(fields.size)
  if (size === null) return 'its size is no number of bytes'
  const etag = textOf(fields.etag)
  if (etag === null) return 'its etag is no text'
  const versionId = textOf(fields.versionid)
  if (versionId === null) return 'its versionId is no text'
  return {
    url,
    ...(etag !== undefined && { etag: quoted(etag) }),
    ...(size !== undefined && { size }),
    ...(versionId !== undefined && versionId !== 'null' && { versionId }),
  }
}

/** S3 sends ETags in quotes; its inventories, and people, leave them out. */
const quoted = (etag: string): string => (/^(W\/)?".*"$/.test(etag) ? etag : `"${etag}"`)

/** @returns null where it is something else */
function textOf(value: unknown): string | undefined | null {
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' ? value : null
}

function numberOf(value: unknown): number | undefined | null {
  if (value === undefined || value === null || value === '') return undefined
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) && (number as number) >= 0 ? (number as number) : null
}

/** `Version_ID` and `versionId` are one name. */
export const nameOf = (column: string): string =>
  column
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]/g, '')

/** The address of an object. */
export const addressOf = (bucket: string, key: string): string => `s3://${bucket}/${key}`

/** @returns undefined for a key that is not URL-encoded */
export function decodedKey(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
