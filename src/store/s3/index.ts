import { checkingPuts } from '../checked.ts'
import type { BucketAddress, ObjectStore } from '../contract.ts'
import { retryingReads } from '../retry.ts'
import { openBucket, type S3Options } from './client.ts'
import { removeObjects } from './delete.ts'
import { planBucket } from './policy.ts'
import { checkBucket, getObject, headObject, linkTo, listObjects } from './read.ts'
import { purgeVersions, versioningOf } from './versions.ts'
import { copyObject, putObject } from './write.ts'

export { type S3Options, s3Client } from './client.ts'

/**
 * A bucket of any S3-compatible store. Credentials come from the AWS default chain only.
 *
 * Each method of the driver is one kind of request. Wrapped around it: a body that is not what its SHA-256 says is never
 * completed, and a read that breaks off is continued. Within each request the SDK retries, compares checksums and waits
 * for a server that restarts (`client.ts`).
 */
export const s3Store = (options: S3Options): ObjectStore => retryingReads(checkingPuts(s3Driver(options)))

function s3Driver(options: S3Options): ObjectStore {
  const open = openBucket(options)
  const { bucket, prefix } = open
  const address: BucketAddress = { server: options.endpoint ?? 'AWS', name: bucket, prefix }
  return {
    location: open.place,
    bucket: address,
    versions: {
      state: (signal) => versioningOf(open, signal),
      purge: (keys, signal) => purgeVersions(open, keys, signal),
      plan: async (retention) => [await planBucket(open, retention)],
    },
    check: (signal) => checkBucket(open, signal),
    put: async (key, body, put) => putObject(open, key, body, put),
    get: (key, { signal, from } = {}) => getObject(open, key, { signal, from }),
    head: (key, signal) => headObject(open, key, signal),
    list: (prefix, signal) => listObjects(open, prefix, signal),
    remove: (keys, signal) => removeObjects(open, keys, signal),
    link: (key, expiresSeconds) => linkTo(open, key, expiresSeconds),
    copyTo: (key, target, targetKey, signal) => copyObject(open, address, key, target, targetKey, signal),
    close: async () => open.client.destroy(),
  }
}
