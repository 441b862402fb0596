import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CopyObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { RmbgError } from '../../errors.ts'
import { digestOf, type ObjectStore, type PutOptions } from '../contract.ts'
import { assertKey } from '../keys.ts'
import { deleteObjects } from './delete.ts'
import { isDamage, s3Error, s3Told } from './errors.ts'
import { waitWhileUnreachable } from './patience.ts'
import { s3Versions } from './versions.ts'

export interface S3Options {
  bucket: string
  /** Absent: AWS. */
  endpoint?: string
  /** Default: as the AWS SDK finds it; `us-east-1` with an endpoint, for it is part of every signature. */
  region?: string
  /** Default: on with an endpoint, except for those of AWS and Aliyun, which want the bucket in the host name. */
  forcePathStyle?: boolean
  /**
   * The SDK's own integrity mode. Default: `when_supported` on AWS; `when_required` with an endpoint, because servers
   * such as Ceph 16 answer 411 to the trailing checksums of streamed puts. Content-MD5 is sent in either.
   */
  checksums?: 'when_supported' | 'when_required'
  /** A connection on which nothing moves for so long is given up. Default: 30 s, longer than a busy server is silent. */
  stallMs?: number
}

/** Larger bodies, and streams, go in parts: a lost connection then costs one part. */
const partBytes = 8 * 2 ** 20
const largeBytes = 2 * partBytes
/** Of one request, with a pause that doubles between them. */
const maxAttempts = 6
/** The longest that a signature of S3 holds: a week. */
const longestLinkSeconds = 604_800

/** CopyObject takes no larger ones. */
const largestCopyBytes = 5 * 2 ** 30

/** Which bucket a store is, for another one that copies to it. */
const buckets = new WeakMap<ObjectStore, S3Options>()

/**
 * A bucket of any S3-compatible store. Credentials come from the AWS default chain only. Every put carries a
 * Content-MD5 that the server verifies, and what it reports back (size, and the ETag where that is an MD5) is
 * compared. Transient failures (500, 503 SlowDown, resets, stalls, bytes damaged on their way there) are retried with
 * backoff by the SDK; an object that breaks off while it is read is read on from there. A server that goes away for up to a
 * minute is waited for.
 */
export function s3Store(options: S3Options): ObjectStore {
  const { bucket, endpoint } = options
  const place = s3Place(options)
  const client = s3Client(options)
  const told = <T>(action: Promise<T>, key?: string): Promise<T> => s3Told(action, place, key)
  const abort = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {})
  const head: ObjectStore['head'] = async (key, signal) => {
    assertKey(key)
    try {
      const found = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), abort(signal))
      return {
        key,
        size: found.ContentLength!,
        lastModified: found.LastModified!,
        ...(found.ContentType !== undefined && { contentType: found.ContentType }),
        ...(found.Metadata?.sha256 !== undefined && { sha256: found.Metadata.sha256 }),
      }
    } catch (cause) {
      const error = s3Error(cause, place, key)
      // HEAD has no body to name an error, so a bucket that is missing looks the same; `check` tells that.
      if (error instanceof RmbgError && error.code === 'STORE_OBJECT_MISSING') return undefined
      throw error
    }
  }

  const store: ObjectStore = {
    location: place,

    check: async (signal) => {
      // Not HeadBucket: an answer without a body cannot say what is wrong.
      await told(client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }), abort(signal)))
    },

    put: async (key, body, put) => {
      assertKey(key)
      if (body instanceof Uint8Array && body.byteLength < largeBytes) {
        await told(putWhole(key, body, put), key)
        const { contentType, sha256 } = put
        return { key, size: body.byteLength, lastModified: new Date(), contentType, sha256: digestOf(sha256) }
      }
      const size = await told(putInParts(key, body, put), key)
      // Many servers give an object of several parts an ETag that proves nothing, so its size is asked for.
      const stored = await head(key, put.signal)
      if (stored?.size !== size) throw mismatch(key, place)
      return { ...stored, sha256: digestOf(put.sha256) }
    },

    get: async (key, signal) => {
      assertKey(key)
      const ask = (rest: { Range?: string; IfMatch?: string | undefined } = {}) =>
        told(client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...rest }), abort(signal)), key)
      const first = await ask()
      return Readable.from(
        readOn(first, ask, (cause) => s3Error(cause, place, key)),
        { objectMode: false },
      )
    },

    head,

    list: async function* (prefix, signal) {
      try {
        for await (const page of paginateListObjectsV2(
          { client },
          { Bucket: bucket, Prefix: prefix },
          abort(signal),
        )) {
          for (const { Key, Size, LastModified } of page.Contents ?? []) {
            yield { key: Key!, size: Size!, lastModified: LastModified! }
          }
        }
      } catch (cause) {
        throw s3Error(cause, place)
      }
    },

    remove: async (keys, signal) => {
      keys.forEach(assertKey)
      await deleteObjects(
        { client, bucket, place },
        keys.map((Key) => ({ Key })),
        signal,
      )
    },

    link: async (key, expiresSeconds) => {
      assertKey(key)
      if (!Number.isInteger(expiresSeconds) || expiresSeconds < 1 || expiresSeconds > longestLinkSeconds) {
        throw new RmbgError('USAGE', `A link to ${place} cannot hold for ${expiresSeconds} seconds.`, {
          hint: 'It holds for a second at least and a week at most.',
        })
      }
      const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner')
      const wanted = new GetObjectCommand({ Bucket: bucket, Key: key })
      return told(getSignedUrl(client, wanted, { expiresIn: expiresSeconds }), key)
    },

    versions: s3Versions({ client, bucket, place }),

    copyTo: async (key, target, targetKey, signal) => {
      const there = buckets.get(target)
      const source = await head(key, signal)
      if (there === undefined || there.endpoint !== endpoint || !source || source.size > largestCopyBytes)
        return false
      const CopySource = `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
      await told(
        client.send(
          new CopyObjectCommand({ Bucket: there.bucket, Key: targetKey, CopySource }),
          abort(signal),
        ),
        key,
      )
      const copy = await target.head(targetKey, signal)
      if (copy?.size !== source.size || copy.sha256 !== source.sha256) throw mismatch(targetKey, there.bucket)
      return true
    },

    close: async () => client.destroy(),
  }
  buckets.set(store, options)
  return store

  async function putWhole(
    Key: string,
    body: Uint8Array,
    { contentType, signal, ...put }: PutOptions,
  ): Promise<void> {
    const sha256 = digestOf(put.sha256)
    if (createHash('sha256').update(body).digest('hex') !== sha256) throw mismatch(Key, place)
    await client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key,
        Body: body,
        ContentType: contentType,
        Metadata: { sha256 },
      }),
      abort(signal),
    )
  }

  /** @returns the bytes sent */
  async function putInParts(
    Key: string,
    body: Uint8Array | Readable,
    { contentType, sha256, signal }: PutOptions,
  ): Promise<number> {
    if (body instanceof Uint8Array && createHash('sha256').update(body).digest('hex') !== digestOf(sha256))
      throw mismatch(Key, place)
    let size = body instanceof Uint8Array ? body.byteLength : 0
    const counted = (bytes: number) => {
      size += bytes
    }
    const upload = new Upload({
      client,
      params: {
        Bucket: bucket,
        Key,
        Body:
          body instanceof Uint8Array
            ? body
            : Readable.from(checked(body, sha256, mismatch(Key, place), counted), { objectMode: false }),
        ContentType: contentType,
        ...(typeof sha256 === 'string' && { Metadata: { sha256 } }),
      },
      partSize: partBytes,
      queueSize: 3,
      leavePartsOnError: false,
    })
    const stop = () => void upload.abort()
    signal?.addEventListener('abort', stop)
    try {
      signal?.throwIfAborted()
      await upload.done()
    } finally {
      signal?.removeEventListener('abort', stop)
    }
    return size
  }
}

/** Passes a stream on and fails it at its end when it was not what it should be, so that it is never completed. */
async function* checked(
  body: Readable,
  sha256: PutOptions['sha256'],
  error: Error,
  counted: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of body) {
    hash.update(chunk)
    counted(chunk.length)
    yield chunk
  }
  if (hash.digest('hex') !== digestOf(sha256)) throw error
}

/** An object's bytes; where they break off, the rest is asked for, as long as each answer brings some. */
async function* readOn(
  first: GetObjectCommandOutput,
  ask: (rest: { Range: string; IfMatch: string | undefined }) => Promise<GetObjectCommandOutput>,
  told: (cause: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  let received = 0
  let fruitless = 0
  for (let answer = first; ; ) {
    const chunks: AsyncIterator<Uint8Array> = (answer.Body as Readable)[Symbol.asyncIterator]()
    let failure: unknown
    try {
      for (;;) {
        const next = await chunks.next().catch((cause) => {
          failure = cause
        })
        if (!next || next.done) break
        received += next.value.length
        fruitless = 0
        yield next.value
      }
    } finally {
      await chunks.return?.()
    }
    if (failure === undefined) return
    if ((failure as Error).name === 'AbortError' || ++fruitless === maxAttempts) throw told(failure)
    await sleep(100 * 2 ** fruitless)
    answer = await ask({ Range: `bytes=${received}-`, IfMatch: first.ETag })
  }
}

/** For people and logs: which bucket of which server. */
export function s3Place({ bucket, endpoint }: S3Options): string {
  return endpoint === undefined ? `s3://${bucket}` : `s3://${bucket} at ${new URL(endpoint).origin}`
}

/** A client as every S3 server needs it: addressing, region, checksums, retries. Whoever opens it destroys it. */
export function s3Client(options: S3Options): S3Client {
  const { endpoint, region, forcePathStyle, checksums, stallMs = 30_000 } = options
  const isVirtualHosted =
    endpoint === undefined || /\.(amazonaws\.com(\.cn)?|aliyuncs\.com)$/.test(new URL(endpoint).hostname)
  const mode = (checksums ?? (endpoint === undefined ? 'when_supported' : 'when_required')).toUpperCase() as
    | 'WHEN_SUPPORTED'
    | 'WHEN_REQUIRED'
  const resolvedRegion =
    region ?? (endpoint === undefined ? undefined : (process.env.AWS_REGION ?? 'us-east-1'))
  // A notice about future Node releases, for those who pin our dependencies, not for those who run the program.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const client = new S3Client({
    ...(endpoint !== undefined && { endpoint }),
    ...(resolvedRegion !== undefined && { region: resolvedRegion }),
    forcePathStyle: forcePathStyle ?? !isVirtualHosted,
    requestChecksumCalculation: mode,
    responseChecksumValidation: mode,
    maxAttempts,
    requestHandler: {
      connectionTimeout: 5_000,
      // Its requestTimeout does not end a request: it prints a warning.
      socketTimeout: stallMs,
      httpsAgent: { maxSockets: 64 },
      httpAgent: { maxSockets: 64 },
    },
  })
  // The SDK computes no digest that every server verifies.
  client.middlewareStack.add(
    (next) => (args) => {
      const input = args.input as { Body?: unknown; ContentMD5?: string }
      if (input.Body instanceof Uint8Array && input.ContentMD5 === undefined) {
        input.ContentMD5 = createHash('md5').update(input.Body).digest('base64')
      }
      return next(args)
    },
    { step: 'initialize', name: 'contentMd5' },
  )
  // Within the SDK's retries, which do not know that what was damaged on its way is worth sending again.
  client.middlewareStack.add(
    (next) => async (args) => {
      const { ContentMD5: sent } = args.input as { ContentMD5?: string }
      const damaged = (error: Error) => Object.assign(error, { $retryable: {} })
      const result = await next(args).catch((error) => {
        throw isDamage(error) ? damaged(error) : error
      })
      // With SSE-KMS and on some servers the ETag is not an MD5; then the server's own check of Content-MD5 stands.
      const etag = (result.output as { ETag?: string }).ETag?.replaceAll('"', '')
      if (endpoint === undefined || sent === undefined || !/^[0-9a-f]{32}$/.test(etag ?? '')) return result
      if (etag === Buffer.from(sent, 'base64').toString('hex')) return result
      throw damaged(Object.assign(new Error('The ETag is not that of what was sent'), { name: 'BadDigest' }))
    },
    { step: 'finalizeRequest', priority: 'low', name: 'resendDamaged' },
  )
  waitWhileUnreachable(client)
  return client
}

function mismatch(key: string, place: string): RmbgError {
  return new RmbgError('STORE_CHECKSUM', `What arrived in ${place} as ${key} is not what was sent.`, {
    hint: 'Run the command again; if it stays so, check the network and the store.',
  })
}
