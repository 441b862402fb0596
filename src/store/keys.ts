import { RmbgError } from '../errors.ts'
import { type ObjectKind, objectKinds } from './contract.ts'

const uuidv7 = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
const jobIdForm = new RegExp(`^${uuidv7}$`)
const keyForm = new RegExp(`^([a-z]+)/.*/(${uuidv7})(?:-([1-9][0-9]{0,9}))?\\.([a-z0-9]{1,8})$`)

/**
 * `<kind>/<yyyy>/<mm>/<dd>/<job_id>-<attempt>.<ext>`, with the UTC day of the job id. No two attempts share a key: one
 * that has lost its job and does not know it yet cannot overwrite what another attempt has stored.
 *
 * @param jobId UUIDv7, lower case
 * @param attempt at least 1
 * @param extension 1 to 8 lower-case letters and digits, without a dot
 */
export function objectKey(kind: ObjectKind, jobId: string, attempt: number, extension: string): string {
  if (!Number.isSafeInteger(attempt) || attempt < 1) {
    throw new TypeError(`Expected an attempt of at least 1 but received ${attempt}`)
  }
  if (!/^[a-z0-9]{1,8}$/.test(extension)) {
    throw new TypeError(`Expected a plain extension but received ${JSON.stringify(extension)}`)
  }
  return `${jobPrefix(kind, jobId)}-${attempt}.${extension}`
}

/**
 * How the keys of a job's objects of this kind begin, whichever attempt made them. No key of another job begins so.
 *
 * @param jobId UUIDv7, lower case
 */
export function jobPrefix(kind: ObjectKind, jobId: string): string {
  if (!jobIdForm.test(jobId)) throw new TypeError(`Expected a UUIDv7 for jobId but received ${jobId}`)
  // RFC 9562: the first 48 bits are milliseconds since 1970.
  const milliseconds = Number.parseInt(jobId.slice(0, 8) + jobId.slice(9, 13), 16)
  const day = new Date(milliseconds).toISOString().slice(0, 10).replaceAll('-', '/')
  return `${kind}/${day}/${jobId}`
}

/** What a key says. */
export interface KeyParts {
  kind: ObjectKind
  jobId: string
  /** 0 for `<job_id>.<ext>`: before keys had attempts, all attempts of a job shared these. */
  attempt: number
  extension: string
}

/** @returns undefined for a key that no object of a job can have, such as one under another day than its job's */
export function keyParts(key: string): KeyParts | undefined {
  const [, kindName, jobId, attempt = '0', extension] = keyForm.exec(key) ?? []
  const kind = objectKinds.find((each) => each === kindName)
  if (kind === undefined || jobId === undefined || extension === undefined) return undefined
  const name = attempt === '0' ? '' : `-${attempt}`
  if (key !== `${jobPrefix(kind, jobId)}${name}.${extension}`) return undefined
  return { kind, jobId, attempt: Number(attempt), extension }
}

/** Those of these keys that are of originals, each with the job under whose id it is. */
export const originalsAmong = (keys: readonly string[]): { key: string; jobId: string }[] =>
  keys.flatMap((key) => {
    const parts = keyParts(key)
    return parts?.kind === 'original' ? [{ key, jobId: parts.jobId }] : []
  })

const contentTypes: Record<string, string> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  avif: 'image/avif',
  tiff: 'image/tiff',
  gif: 'image/gif',
  svg: 'image/svg+xml',
  heic: 'image/heic',
  jxl: 'image/jxl',
  bmp: 'image/bmp',
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
