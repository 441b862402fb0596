import { RmbgError } from '../errors.ts'
import type { GivenSettings } from './definitions.ts'

/** Hosts that hold buckets: one that begins with `BUCKET.` and then so is the address of a bucket. */
const storeHost =
  /^(s3[.-]|oss-)|(^|\.)(digitaloceanspaces\.com|linodeobjects\.com|r2\.cloudflarestorage\.com)$/

/**
 * Consoles show the address of a bucket, where the endpoint is the address of its server.
 *
 * @param variable where the endpoint was found
 * @throws RmbgError CONFIG_INVALID naming the two settings to make of it
 */
export function assertEndpointHoldsNoBucket(
  { s3Endpoint, s3Bucket, s3BucketOriginal, s3BucketMask, s3BucketProcessed }: GivenSettings,
  variable: string,
): void {
  if (s3Endpoint === undefined) return
  const buckets = [s3Bucket, s3BucketOriginal, s3BucketMask, s3BucketProcessed].filter(
    (bucket) => bucket !== undefined,
  )
  // Those of the AWS SDK may be meant for other programs.
  const isOurs = !variable.startsWith('AWS_')
  const url = new URL(s3Endpoint)
  const path = url.pathname.replaceAll(/^\/+|\/+$/g, '')
  const last = decodeURIComponent(path.slice(path.lastIndexOf('/') + 1))
  // Some servers have a path of their own, such as https://PROJECT.supabase.co/storage/v1/s3.
  const isInPath = buckets.includes(last) || (isOurs && buckets.length === 0 && last !== '' && last === path)
  if (isInPath) {
    url.pathname = path.slice(0, -last.length)
    throw holdsBucket(variable, last, url)
  }
  const [first = ''] = url.hostname.split('.')
  const rest = url.hostname.slice(first.length + 1)
  if (buckets.includes(first) && storeHost.test(rest)) {
    url.hostname = rest
    throw holdsBucket(variable, first, url)
  }
}

function holdsBucket(variable: string, bucket: string, server: URL): RmbgError {
  server.username = ''
  server.password = ''
  return new RmbgError('CONFIG_INVALID', `${variable} holds the bucket "${bucket}" as well as the server.`, {
    hint: `Set ${variable}=${server.href.replace(/\/$/, '')} and S3_BUCKET=${bucket}.`,
  })
}
