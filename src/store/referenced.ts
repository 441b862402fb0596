/** Originals that were not copied into the store: the row of their job names the input, which is read where it lies. */
import { buffer } from 'node:stream/consumers'
import { RmbgError } from '../errors.ts'
import { sha256Of } from '../system/sha256.ts'
import type { ObjectStore } from './contract.ts'
import type { InputBucket } from './input-bucket.ts'
import { readVerified } from './verified.ts'

/** Opens a bucket to read from; the same one each time it is asked for. */
export type OpenInputBucket = (name: string) => Promise<InputBucket>

export interface ReferencedOriginal {
  /** `s3://bucket/key`, with the key as it is. */
  address: string
  /** As it was when it was processed; absent where the bucket keeps no versions, or nobody knows. */
  etag?: string | undefined
  versionId?: string | undefined
  /** Hex, of its bytes. */
  sha256: string
}

/** Column `original_path` takes no more characters. */
const longestAddress = 512

/** The address of an object as a row can name it; undefined for one that is too long. */
export const referenceTo = (address: string): string | undefined =>
  [...address].length <= longestAddress ? address : undefined

/** Whether `original_path` names an input instead of an object of the store, none of whose keys begins like that. */
export const isReference = (path: string): boolean => path.startsWith('s3://')

/** What a row says of the original that it names. @param params those of the job */
export function referencedOriginal(address: string, sha256: string, params: unknown): ReferencedOriginal {
  const { source } = (params ?? {}) as { source?: { etag?: unknown; versionId?: unknown } }
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return { address, etag: text(source?.etag), versionId: text(source?.versionId), sha256 }
}

/** An object of a job, by its key, or an original by its address. */
export interface KeptObject {
  key: string
  /** Hex. */
  sha256: string
  /** Of its job. */
  params: unknown
}

/**
 * Reads an object of a job: in the store, or where it lies if it is referenced.
 *
 * @param places.inputBucket absent: there are no buckets of inputs
 * @throws RmbgError as `readReferenced` and `readVerified`
 */
export const readKept = (
  { store, inputBucket }: { store: ObjectStore; inputBucket?: OpenInputBucket | undefined },
  { key, sha256, params }: KeptObject,
): Promise<Uint8Array> =>
  isReference(key) && inputBucket
    ? readReferenced(inputBucket, referencedOriginal(key, sha256, params))
    : readVerified(store, key, sha256)

/**
 * Reads an original where it lies: the version that was processed, where the bucket keeps versions.
 *
 * @throws RmbgError INPUT_CHANGED where it is another one by now, INPUT_NOT_FOUND where it is gone, or of family `store`
 */
async function readReferenced(open: OpenInputBucket, original: ReferencedOriginal): Promise<Buffer> {
  const { address, etag, sha256 } = original
  const { bucket, name } = placeOf(original)
  const read = async () => {
    const input = await open(bucket)
    const { body } = await input.open({ ...name, ...(etag !== undefined && { etag }) })
    return buffer(body)
  }
  const bytes = await read().catch((error) => Promise.reject(told(error, address)))
  if (sha256Of(bytes) === sha256) return bytes
  throw changed(address)
}

/** A URL that opens it until it expires; made without asking whether it is there. */
export async function linkToReferenced(
  open: OpenInputBucket,
  original: ReferencedOriginal,
  expiresSeconds: number,
): Promise<string> {
  const { bucket, name } = placeOf(original)
  return (await open(bucket)).link(name, expiresSeconds)
}

function placeOf({ address, versionId }: ReferencedOriginal) {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(address) ?? []
  return { bucket, name: { key, ...(versionId !== undefined && versionId !== 'null' && { versionId }) } }
}

function told(error: unknown, address: string): unknown {
  if (!(error instanceof RmbgError)) return error
  if (error.code === 'INPUT_CHANGED') return changed(address, error)
  if (error.code !== 'INPUT_NOT_FOUND') return error
  return new RmbgError('INPUT_NOT_FOUND', `The original is gone from where it lay (${address}).`, {
    hint: 'It was referenced there and not copied. --originals copy keeps a copy in the store.',
    cause: error,
  })
}

const changed = (address: string, cause?: unknown): RmbgError =>
  new RmbgError('INPUT_CHANGED', `The original is another one than when it was processed (${address}).`, {
    hint: 'It was referenced there and not copied. Process it again, or keep copies with --originals copy.',
    cause,
  })
