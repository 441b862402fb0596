import { Readable } from 'node:stream'
import { GetObjectCommand, HeadObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import { RmbgError } from '../../errors.ts'
import type { InputBucket, ListedObject, ObjectName, OpenedObject } from '../input-bucket.ts'
import { aborting, type OpenBucket, openBucket, type S3Options } from './client.ts'
import { s3Error } from './errors.ts'

/** A bucket to read pictures from, with the connection settings of the store. */
export function s3InputBucket(options: Omit<S3Options, 'prefix'>): InputBucket {
  const open = openBucket(options)
  return {
    location: open.place,
    list: (prefix, signal) => listed(open, prefix, signal),
    look: (object, signal) => looked(open, object, signal),
    open: (object, signal) => opened(open, object, signal),
    close: async () => open.client.destroy(),
  }
}

/** What a reader of a foreign bucket needs, for the error. */
const rights = 's3:ListBucket and s3:GetObject'

async function* listed(
  { client, bucket, place }: OpenBucket,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListedObject> {
  const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix }, aborting(signal))
  try {
    for await (const { Contents = [] } of pages) {
      for (const { Key: key, Size: size, ETag: etag, LastModified: lastModified } of Contents) {
        if (key === undefined || lastModified === undefined) continue
        yield { key, size: size ?? 0, etag: etag ?? '', lastModified }
      }
    }
  } catch (cause) {
    throw s3Error(cause, place, undefined, rights)
  }
}

async function looked(
  { client, bucket, place }: OpenBucket,
  { key, versionId }: ObjectName,
  signal: AbortSignal | undefined,
): Promise<ListedObject> {
  const command = new HeadObjectCommand({ Bucket: bucket, Key: key, ...versioned(versionId) })
  try {
    const found = await client.send(command, aborting(signal))
    const { ContentLength: size = 0, ETag: etag = '', LastModified: lastModified = new Date(0) } = found
    return { key, size, etag, lastModified }
  } catch (cause) {
    throw inputError(cause, place, key)
  }
}

const versioned = (versionId: string | undefined) => (versionId === undefined ? {} : { VersionId: versionId })

async function opened(
  { client, bucket, place }: OpenBucket,
  { key, etag }: Pick<ListedObject, 'key' | 'etag'>,
  signal: AbortSignal | undefined,
): Promise<OpenedObject> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ...(etag !== '' && { IfMatch: etag }) })
  try {
    const { Body, VersionId: versionId } = await client.send(command, aborting(signal))
    const chunks = async function* () {
      try {
        yield* Body as Readable
      } catch (cause) {
        throw s3Error(cause, place, key)
      }
    }
    return { body: Readable.from(chunks(), { objectMode: false }), versionId }
  } catch (cause) {
    throw inputError(cause, place, key)
  }
}

function inputError(cause: unknown, place: string, key: string): Error {
  const { name, $metadata } = cause as { name?: string; $metadata?: { httpStatusCode?: number } }
  const status = $metadata?.httpStatusCode
  if (status === 412) {
    return new RmbgError('INPUT_CHANGED', 'The object is another one than when it was listed.', {
      hint: 'Run the command again.',
      cause,
    })
  }
  if (status === 404 && name !== 'NoSuchBucket')
    return new RmbgError('INPUT_NOT_FOUND', 'The object does not exist any more.', { cause })
  if (status === 403)
    return new RmbgError('INPUT_UNREADABLE', `${place} denies reading this object.`, {
      hint: 'The key needs s3:GetObject there.',
      cause,
    })
  return s3Error(cause, place, key)
}
