import { Readable } from 'node:stream'
import { CopyObjectCommand, PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { RmbgError } from '../../errors.ts'
import { mismatch } from '../checked.ts'
import {
  type BucketAddress,
  finalSha256,
  type ObjectStore,
  type PutOptions,
  type StoredObject,
} from '../contract.ts'
import { assertKey } from '../keys.ts'
import { aborting, keyIn, type OpenBucket } from './client.ts'
import { orS3Error } from './errors.ts'
import { headObject } from './read.ts'

/** Larger bodies, and streams, go in parts: a lost connection then costs one part. */
const partBytes = 8 * 2 ** 20
const largeBytes = 2 * partBytes
/** CopyObject takes no larger ones. */
const largestCopyBytes = 5 * 2 ** 30

/** Puts a body. Whether it is what its SHA-256 says is for `checkingPuts` to see, around the driver. */
export function putObject(
  open: OpenBucket,
  key: string,
  body: Uint8Array | Readable,
  options: PutOptions,
): Promise<StoredObject> {
  assertKey(keyIn(open, key))
  return body instanceof Uint8Array && body.byteLength < largeBytes
    ? putWhole(open, key, body, options)
    : putInParts(open, key, body, options)
}

async function putWhole(
  open: OpenBucket,
  key: string,
  body: Uint8Array,
  { contentType, sha256: given, onlyIf, signal }: PutOptions,
): Promise<StoredObject> {
  const { client, bucket, place } = open
  const sha256 = finalSha256(given)
  const object = {
    Bucket: bucket,
    Key: keyIn(open, key),
    Body: body,
    ContentType: contentType,
    Metadata: { sha256 },
  }
  const send = async (condition: PutCondition) => {
    const command = new PutObjectCommand({ ...object, ...condition })
    // The client keeps the first command of each kind, and needs no body of it.
    await client.send(command, aborting(signal)).finally(() => delete command.input.Body)
  }
  const put = onlyIf === undefined ? send({}) : conditionalPut(send, onlyIf, { place, key })
  await orS3Error<unknown>(put, place, key)
  return { key, size: body.byteLength, lastModified: new Date(), contentType, sha256 }
}

type PutCondition = Pick<PutObjectCommandInput, 'IfNoneMatch' | 'IfMatch'>

const conditionOf = (onlyIf: NonNullable<PutOptions['onlyIf']>): PutCondition => {
  if (onlyIf === 'absent') return { IfNoneMatch: '*' }
  // Ceph 16 compares it with quotes and all; other servers take it in either form.
  return onlyIf.etag === undefined ? {} : { IfMatch: onlyIf.etag.replaceAll('"', '') }
}

/** @throws RmbgError STORE_CONFLICT where the condition does not hold, or what `send` throws */
export async function conditionalPut(
  send: (condition: PutCondition) => Promise<unknown>,
  onlyIf: NonNullable<PutOptions['onlyIf']>,
  { place, key }: { place: string; key: string },
): Promise<void> {
  try {
    await send(conditionOf(onlyIf))
  } catch (cause) {
    const { name, $metadata } = cause as { name: string; $metadata?: { httpStatusCode?: number } }
    // Servers that do not know conditions ignore them or say so.
    if (name === 'NotImplemented' || $metadata?.httpStatusCode === 501) return void (await send({}))
    if (!['PreconditionFailed', 'ConditionalRequestConflict'].includes(name)) throw cause
    throw new RmbgError('STORE_CONFLICT', `Somebody else wrote ${key} in ${place} first.`, { cause })
  }
}

async function putInParts(
  open: OpenBucket,
  key: string,
  body: Uint8Array | Readable,
  { contentType, sha256, signal }: PutOptions,
): Promise<StoredObject> {
  const { client, bucket, place } = open
  let size = 0
  const counted = async function* (stream: Readable) {
    for await (const chunk of stream) {
      size += chunk.length
      yield chunk
    }
  }
  const upload = new Upload({
    client,
    params: {
      Bucket: bucket,
      Key: keyIn(open, key),
      Body: body instanceof Uint8Array ? body : Readable.from(counted(body), { objectMode: false }),
      ContentType: contentType,
      ...(typeof sha256 === 'string' && { Metadata: { sha256 } }),
    },
    partSize: partBytes,
    queueSize: 3,
    leavePartsOnError: false,
  })
  await orS3Error(finished(upload, signal), place, key)
  if (body instanceof Uint8Array) size = body.byteLength
  // Many servers give an object of several parts an ETag that proves nothing, so its size is compared.
  const stored = await headObject(open, key, signal)
  if (stored?.size !== size) throw mismatch(key, place)
  return { ...stored, sha256: finalSha256(sha256) }
}

async function finished(upload: Upload, signal: AbortSignal | undefined): Promise<void> {
  const stop = () => void upload.abort()
  signal?.addEventListener('abort', stop)
  try {
    signal?.throwIfAborted()
    await upload.done()
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** Copies within the server; what `ObjectStore.copyTo` says. */
export async function copyObject(
  open: OpenBucket,
  address: BucketAddress,
  key: string,
  target: ObjectStore,
  targetKey: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { client, bucket, place } = open
  if (target.bucket?.server !== address.server) return false
  const source = await headObject(open, key, signal)
  if (!source || source.size > largestCopyBytes) return false
  const command = new CopyObjectCommand({
    Bucket: target.bucket.name,
    Key: target.bucket.prefix + targetKey,
    CopySource: `${bucket}/${keyIn(open, key).split('/').map(encodeURIComponent).join('/')}`,
  })
  // With options, because another target may be reached by another endpoint, see `cacheMiddleware`.
  await orS3Error(client.send(command, aborting(signal) ?? {}), place, key)
  const copy = await target.head(targetKey, signal)
  if (copy?.size !== source.size || copy.sha256 !== source.sha256) {
    throw mismatch(targetKey, target.location)
  }
  return true
}
