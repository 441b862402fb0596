import { Readable } from 'node:stream'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import { RmbgError } from '../../errors.ts'
import type { GetOptions, ObjectStream, StoredObject } from '../contract.ts'
import { assertKey } from '../keys.ts'
import { damaged } from '../verified.ts'
import { aborting, keyFrom, keyIn, type OpenBucket } from './client.ts'
import { isChecksumMismatch, orS3Error, s3Error } from './errors.ts'

/** The longest that a signature of S3 holds: a week. */
const longestLinkSeconds = 604_800

/** Lists one object. Not HeadBucket: an answer without a body cannot say what is wrong. */
export async function checkBucket(
  { client, bucket, prefix, place }: OpenBucket,
  signal: AbortSignal | undefined,
): Promise<void> {
  const listing = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })
  await orS3Error(client.send(listing, aborting(signal)), place)
}

export async function getObject(
  open: OpenBucket,
  key: string,
  { signal, from }: GetOptions,
): Promise<ObjectStream> {
  const { client, bucket, place } = open
  assertKey(keyIn(open, key))
  const rest = from && { Range: `bytes=${from.offset}-`, IfMatch: from.etag }
  const command = new GetObjectCommand({ Bucket: bucket, Key: keyIn(open, key), ...rest })
  const { Body, ETag } = await orS3Error(
    client.send(command, aborting(signal)).catch(async (cause) => {
      throw await orAbsent(open, key, cause, signal)
    }),
    place,
    key,
  )
  const chunks = async function* () {
    try {
      yield* Body as Readable
    } catch (cause) {
      // Only at the end of the object: there is no rest to ask for, so whoever verifies it reads it again.
      throw isChecksumMismatch(cause) ? damaged(key, cause) : s3Error(cause, place, key)
    }
  }
  return Object.assign(
    Readable.from(chunks(), { objectMode: false }),
    ETag === undefined ? {} : { etag: ETag },
  )
}

export async function headObject(
  open: OpenBucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<StoredObject | undefined> {
  const { client, bucket, place } = open
  assertKey(keyIn(open, key))
  try {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: keyIn(open, key) })
    const found = await client.send(command, aborting(signal))
    return {
      key,
      size: found.ContentLength!,
      lastModified: found.LastModified!,
      ...(found.ContentType !== undefined && { contentType: found.ContentType }),
      ...(found.Metadata?.sha256 !== undefined && { sha256: found.Metadata.sha256 }),
    }
  } catch (cause) {
    const error = s3Error(await orAbsent(open, key, cause, signal), place, key)
    // HEAD has no body to name an error, so a missing bucket looks the same; `check` tells them apart.
    if (error instanceof RmbgError && error.code === 'STORE_OBJECT_MISSING') return undefined
    throw error
  }
}

/**
 * Who may list only what lies below a prefix is not told that an object is absent: the server denies access. So it is
 * looked for in a listing.
 *
 * @returns NoSuchKey if it is absent, else the cause
 */
async function orAbsent(
  open: OpenBucket,
  key: string,
  cause: unknown,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const isDenied = (cause as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 403
  if (!isDenied || open.prefix === '') return cause
  const Key = keyIn(open, key)
  const listing = new ListObjectsV2Command({ Bucket: open.bucket, Prefix: Key, MaxKeys: 1 })
  try {
    const { Contents } = await open.client.send(listing, aborting(signal))
    // A key sorts before all keys it is a prefix of.
    return Contents?.[0]?.Key === Key ? cause : Object.assign(new Error(key), { name: 'NoSuchKey' })
  } catch {
    return cause
  }
}

/** Objects in key order, a page of 1000 at a time. */
export async function* listObjects(
  open: OpenBucket,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredObject> {
  const { client, bucket, place } = open
  const listing = { Bucket: bucket, Prefix: keyIn(open, prefix) }
  const pages = paginateListObjectsV2({ client }, listing, aborting(signal))
  try {
    for await (const page of pages) {
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        yield { key: keyFrom(open, Key!), size: Size!, lastModified: LastModified! }
      }
    }
  } catch (cause) {
    throw s3Error(cause, place)
  }
}

/** A URL signed for reading one object of the store. */
export async function linkTo(open: OpenBucket, key: string, expiresSeconds: number): Promise<string> {
  assertKey(keyIn(open, key))
  return signedLink(open, { Key: keyIn(open, key) }, expiresSeconds)
}

/** A URL signed for reading one object of a bucket. @throws RmbgError USAGE for seconds that no link lasts */
export async function signedLink(
  { client, bucket, place }: OpenBucket,
  object: { Key: string; VersionId?: string },
  expiresSeconds: number,
): Promise<string> {
  if (!Number.isInteger(expiresSeconds) || expiresSeconds < 1 || expiresSeconds > longestLinkSeconds) {
    throw new RmbgError('USAGE', `A link to ${place} cannot last ${expiresSeconds} seconds.`, {
      hint: 'Links last from one second to one week (604800).',
    })
  }
  const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner')
  const command = new GetObjectCommand({ Bucket: bucket, ...object })
  return orS3Error(getSignedUrl(client, command, { expiresIn: expiresSeconds }), place, object.Key)
}
