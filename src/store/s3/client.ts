import { S3Client } from '@aws-sdk/client-s3'
import type { Patience } from '../../system/patience.ts'
import { sendChecksums } from './checksums.ts'
import { waitWhileAway } from './patience.ts'

export interface S3Options {
  bucket: string
  /** Of all keys: the store is only what lies below it. Empty (default) or ending in a slash. */
  prefix?: string
  /** Absent: AWS. */
  endpoint?: string
  /** Default: as the AWS SDK finds it; `us-east-1` with an endpoint, because it is part of every signature. */
  region?: string
  /** Default: on with an endpoint, except for those of AWS and Aliyun, which want the bucket in the host name. */
  forcePathStyle?: boolean
  /**
   * The SDK's own integrity mode. Default: `when_supported` on AWS; `when_required` with an endpoint, because servers
   * such as Ceph 16 answer 411 to the trailing checksums of streamed puts. Content-MD5 is sent in either.
   */
  checksums?: 'when_supported' | 'when_required'
  /** A connection on which nothing moves for this long is closed. Default: 30 s, longer than a busy server is silent. */
  stallMs?: number
  /** Default: a server that is away is not waited for, beyond the retries of the SDK. */
  patience?: Patience
}

/** A bucket and the client that is open to it. */
export interface OpenBucket {
  client: S3Client
  bucket: string
  /** Of all keys; empty or ending in a slash. */
  prefix: string
  /** For people and logs. */
  place: string
}

/** Tries of one request, with a pause that doubles between them. */
const maxAttempts = 6

/** Whoever opens a bucket destroys its client. */
export const openBucket = (options: S3Options): OpenBucket => ({
  client: s3Client(options),
  bucket: options.bucket,
  prefix: options.prefix ?? '',
  place: s3Place(options),
})

/** For people and logs: which part of which bucket of which server. */
function s3Place({ bucket, prefix, endpoint }: S3Options): string {
  const address = prefix ? `s3://${bucket}/${prefix}` : `s3://${bucket}`
  return endpoint === undefined ? address : `${address} at ${new URL(endpoint).origin}`
}

/** The key of an object in its bucket. */
export const keyIn = ({ prefix }: OpenBucket, key: string): string => prefix + key
/** The key of an object in the store, whose prefix it has. */
export const keyFrom = ({ prefix }: OpenBucket, bucketKey: string): string => bucketKey.slice(prefix.length)

/**
 * A client as every S3 server needs it: addressing, region, checksums, retries. Whoever opens it destroys it.
 *
 * Retries stay in the SDK instead of a wrapper around the store, because only a single request can be repeated: one part
 * of an upload whose source is a stream, one page of a listing, one batch of removals. The SDK also signs each try anew
 * and heeds the pauses that a busy server asks for.
 */
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
    // Middleware is put together once for each kind of request, and not for each request. Only where no options are given,
    // see `aborting`: what one request resolves (endpoint, identity) is then shared by those of its kind.
    cacheMiddleware: true,
    requestHandler: {
      connectionTimeout: 5_000,
      // The handler's requestTimeout only prints a warning; it does not end the request.
      socketTimeout: stallMs,
      httpsAgent: { maxSockets: 64 },
      httpAgent: { maxSockets: 64 },
    },
  })
  // It describes each request for a logger that there is not.
  client.middlewareStack.remove('loggerMiddleware')
  keepSigners(client)
  // On AWS the SDK's own checksums are verified too, and the ETag of an object encrypted with KMS is no MD5.
  sendChecksums(client, { compareEtag: endpoint !== undefined })
  if (options.patience) waitWhileAway(client, s3Place(options), options.patience)
  return client
}

/**
 * The SDK makes a signer for each request, with a copy of the whole configuration. What it knows does not change: it
 * asks for credentials and key each time it signs.
 */
function keepSigners({ config }: S3Client): void {
  const make = config.signer
  const kept = new Map<string, ReturnType<typeof make>>()
  config.signer = (scheme) => {
    const key = [scheme?.name, scheme?.signingName, scheme?.signingRegion].join(' ')
    const signer = kept.get(key) ?? make(scheme)
    kept.set(key, signer)
    return signer
  }
}

/** Options of one request. */
export const aborting = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : undefined)
