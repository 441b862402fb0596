import { Readable } from 'node:stream'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { RmbgError } from '../../errors.ts'
import type {
  InputBucket,
  ListedObject,
  ObjectName,
  ObjectPage,
  OpenedObject,
  PageRequest,
} from '../input-bucket.ts'
import { aborting, type OpenBucket, openBucket, type S3Options } from './client.ts'
import { s3Error } from './errors.ts'
import { signedLink } from './read.ts'

/** A bucket to read pictures from, with the connection settings of the store. */
export function s3InputBucket(options: Omit<S3Options, 'prefix'>): InputBucket {
  const open = openBucket(options)
  return {
    location: open.place,
    list: (prefix, signal) => listed(open, prefix, signal),
    page: (request, signal) => page(open, request, signal),
    look: (object, signal) => looked(open, object, signal),
    open: (object, how) => opened(open, object, how),
    link: ({ key, versionId }, expiresSeconds) =>
      signedLink(open, { Key: key, ...versioned(versionId) }, expiresSeconds),
    close: async () => open.client.destroy(),
  }
}

/** What a reader of a foreign bucket needs, for the error. */
const rights = 's3:ListBucket and s3:GetObject'

async function* listed(
  open: OpenBucket,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListedObject> {
  for (let after: string | undefined; ; ) {
    const { objects, isCut } = await page(open, { prefix, ...(after !== undefined && { after }) }, signal)
    yield* objects
    after = objects.at(-1)?.key
    if (!isCut || after === undefined) return
  }
}

async function page(
  { client, bucket, place }: OpenBucket,
  { prefix, after, byFolder }: PageRequest,
  signal: AbortSignal | undefined,
): Promise<ObjectPage> {
  const command = new ListObjectsV2Command({
    ...{ Bucket: bucket, Prefix: prefix },
    ...(after && { StartAfter: after }),
    ...(byFolder && { Delimiter: '/' }),
  })
  try {
    const { Contents = [], CommonPrefixes = [], IsTruncated } = await client.send(command, aborting(signal))
    return {
      objects: Contents.flatMap(
        ({ Key: key, Size: size = 0, ETag: etag = '', LastModified: lastModified }) =>
          key === undefined || lastModified === undefined ? [] : { key, size, etag, lastModified },
      ),
      folders: CommonPrefixes.flatMap(({ Prefix: folder }) => folder ?? []),
      isCut: IsTruncated ?? false,
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

async function opened(
  { client, bucket, place }: OpenBucket,
  { key, etag = '', versionId: wanted }: ObjectName & { etag?: string },
  { bytes, signal }: { bytes?: number; signal?: AbortSignal } = {},
): Promise<OpenedObject> {
  const command = new GetObjectCommand({
    ...{ Bucket: bucket, Key: key, ...versioned(wanted) },
    ...(etag !== '' && { IfMatch: etag }),
    ...(bytes !== undefined && { Range: `bytes=0-${bytes - 1}` }),
  })
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

const versioned = (versionId: string | undefined) => (versionId === undefined ? {} : { VersionId: versionId })

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
  if (name === 'InvalidObjectState')
    return new RmbgError('INPUT_UNREADABLE', 'The object is archived, and cannot be read now.', {
      hint: 'Restore it first (aws s3api restore-object).',
      cause,
    })
  if (status === 403)
    return new RmbgError('INPUT_UNREADABLE', `${place} denies reading this object.`, {
      hint: 'The key needs s3:GetObject there.',
      cause,
    })
  return s3Error(cause, place, key)
}
