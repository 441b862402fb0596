import { RmbgError } from '../errors.ts'
import type { ObjectKind } from './contract.ts'

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/**
 * `<kind>/<yyyy>/<mm>/<dd>/<job_id>.<ext>`, with the UTC day of the job id. The key depends on the id alone, so a second
 * try overwrites the object of the first and never adds another.
 *
 * @param jobId UUIDv7, lower case
 * @param extension 1 to 8 lower-case letters and digits, without a dot
 */
export function objectKey(kind: ObjectKind, jobId: string, extension: string): string {
  if (!uuidv7.test(jobId)) throw new TypeError(`Expected a UUIDv7 for jobId but received ${jobId}`)
  if (!/^[a-z0-9]{1,8}$/.test(extension)) {
    throw new TypeError(`Expected a plain extension but received ${JSON.stringify(extension)}`)
  }
  // RFC 9562: the first 48 bits are milliseconds since 1970.
  const milliseconds = Number.parseInt(jobId.slice(0, 8) + jobId.slice(9, 13), 16)
  const day = new Date(milliseconds).toISOString().slice(0, 10).replaceAll('-', '/')
  return `${kind}/${day}/${jobId}.${extension}`
}

const contentTypes: Record<string, string> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  avif: 'image/avif',
  tiff: 'image/tiff',
  gif: 'image/gif',
  svg: 'image/svg+xml',
}

/** The media type of an object by the extension of its key. */
export function contentTypeOf(keyOrExtension: string): string {
  return contentTypes[keyOrExtension.slice(keyOrExtension.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
}

/**
 * Refuses keys that could name something outside the store: empty or dotted segments, backslashes, control characters.
 *
 * @throws RmbgError STORE_DENIED
 */
export function assertKey(key: string): void {
  const isSafe =
    key.length > 0 &&
    Buffer.byteLength(key) <= 1024 &&
    !/[\p{Cc}\\]/u.test(key) &&
    key.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  if (!isSafe) throw new RmbgError('STORE_DENIED', `${JSON.stringify(key)} is not a key of an object.`)
}
