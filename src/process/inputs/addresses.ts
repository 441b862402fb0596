/** Inputs that are addresses: which there are, how the log knows them, and what is told of them. */
import { basename } from 'node:path'
import { sha256Of } from '../../system/sha256.ts'

const web = /^https?:\/\//i
const bucket = /^s3:\/\//i

export const isWebAddress = (input: string): boolean => web.test(input)
export const isBucketAddress = (input: string): boolean => bucket.test(input)
export const isAddress = (input: string): boolean => isWebAddress(input) || isBucketAddress(input)

/** Words in the names of parameters that hold credentials: of presigned URLs (AWS, Google, Azure), and of others. */
const secret =
  /^(x-(amz|goog|oss|cos|obs)-.*|awsaccesskeyid|googleaccessid|ossaccesskeyid|signature|expires|policy|key-pair-id|s[aeiprvt]|sr|sig|spr|s[kp]\w{1,3}|.*(token|secret|passw|pwd|api-?_?key|auth|session|jwt|credential|hmac|sign).*|key|pass|code|pw|hash)$/i
/** Longer values are shown by their digest: they may be secrets under any name. */
const longestShown = 20

/**
 * An address as it may be shown and logged: without user, password and fragment, and without the parameters that let
 * somebody in. A new signature for the same picture makes no other address.
 */
export function shownAddress(address: string): string {
  const url = new URL(address)
  const kept = [...url.searchParams].filter(([name]) => !secret.test(name))
  const shown = new URLSearchParams(
    kept.map(([name, value]): [string, string] => [
      name,
      value.length > longestShown ? sha256Of(value).slice(0, 12) : value,
    ]),
  )
  const query = shown.size === 0 ? '' : `?${shown}`
  return `${url.protocol}//${url.host}${url.pathname}${query}`
}

/** The name that the cut-out of an address gets below `--output`. */
export function nameOfAddress(address: string): string {
  const url = new URL(address)
  return safeRelative(basename(decoded(url.pathname))) || url.hostname
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** A key as a path below a folder: nothing in it leads out of there. */
export const safeRelative = (key: string): string =>
  key
    .split('/')
    .map((part) => (['', '.', '..'].includes(part) ? '' : part.replaceAll(/[\p{Cc}\\:]/gu, '_')))
    .filter((part) => part !== '')
    .join('/')

/**
 * What stands in the log for the time of an object: digits that follow from its ETag, and from its version where one is
 * asked for. So the same path, size and time mean the same bytes, without a column for the ETag, and whether the object
 * was listed or named by a manifest.
 */
export const timeOfEtag = (etag: string, versionId = ''): bigint =>
  BigInt(`0x${sha256Of(`${etag.replace(/^W\//, '').replaceAll('"', '')}\n${versionId}`).slice(0, 15)}`)

/** The same where there is no ETag. @param modifiedMs milliseconds since 1970 */
export const timeOfChange = (modifiedMs: number): bigint => BigInt(Math.floor(modifiedMs)) * 1_000_000n
