import type { Readable } from 'node:stream'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { RmbgError } from '../../errors.ts'
import { sha256OfStream } from '../../system/sha256.ts'
import type { OutputBucket, PlacedObject, PlacingOptions } from '../output-bucket.ts'
import { aborting, type OpenBucket, openBucket, type S3Options } from './client.ts'
import { s3Error } from './errors.ts'
import { conditionalPut } from './write.ts'

/** A bucket to write cut-outs to, with the connection settings of the store. */
export function s3OutputBucket(options: Omit<S3Options, 'prefix'>): OutputBucket {
  const open = openBucket(options)
  return {
    location: open.place,
    look: (key, signal) => looked(open, key, signal),
    digest: (key, etag, signal) => digested(open, key, etag, signal),
    put: (key, bytes, how) => put(open, key, bytes, how),
    close: async () => open.client.destroy(),
  }
}

/** What a writer needs, for the error. */
const rights = 's3:GetObject and s3:PutObject'
/** Names of metadata. */
const inputName = 'rmbg-input'

async function looked(
  { client, bucket, place }: OpenBucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<PlacedObject | undefined> {
  try {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key })
    const {
      ContentLength: size = 0,
      ETag: etag = '',
      Metadata = {},
    } = await client.send(command, aborting(signal))
    return { size, etag, sha256: Metadata.sha256, input: Metadata[inputName] }
  } catch (cause) {
    // HEAD has no body to name an error. A bucket that does not exist is told by the put.
    if (statusOf(cause) === 404) return undefined
    throw s3Error(cause, place, key, rights)
  }
}

async function digested(
  { client, bucket, place }: OpenBucket,
  key: string,
  etag: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const command = new GetObjectCommand({ Bucket: bucket, Key: key, IfMatch: etag })
    const { Body } = await client.send(command, aborting(signal))
    return await sha256OfStream(Body as Readable)
  } catch (cause) {
    if ([404, 412].includes(statusOf(cause) ?? 0)) return undefined
    throw s3Error(cause, place, key, rights)
  }
}

async function put(
  { client, bucket, place }: OpenBucket,
  key: string,
  bytes: Uint8Array,
  { contentType, sha256, input, onlyIf }: PlacingOptions,
): Promise<boolean> {
  const object = {
    ...{ Bucket: bucket, Key: key, Body: bytes, ContentType: contentType },
    Metadata: { sha256, [inputName]: input },
  }
  try {
    await conditionalPut(
      (condition) => client.send(new PutObjectCommand({ ...object, ...condition })),
      onlyIf,
      {
        place,
        key,
      },
    )
    return true
  } catch (cause) {
    if (cause instanceof RmbgError && cause.code === 'STORE_CONFLICT') return false
    throw s3Error(cause, place, undefined, rights)
  }
}

const statusOf = (cause: unknown): number | undefined =>
  (cause as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
