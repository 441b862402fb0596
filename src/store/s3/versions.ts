import { GetBucketVersioningCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import type { ObjectVersions, Versioning } from '../contract.ts'
import { assertKey } from '../keys.ts'
import { deleteObjects, type OpenBucket } from './delete.ts'
import { s3Error, s3Told } from './errors.ts'

/** There is no listing of many keys in one request, so several requests are under way. */
const concurrentListings = 8
/** Keys whose versions are held in memory before they are deleted. */
const keysAtOnce = 1000
const stateRights = 's3:GetBucketVersioning'
const purgeRights = 's3:ListBucketVersions and s3:DeleteObjectVersion'

interface Version {
  Key: string
  VersionId: string
  /** Bytes; absent for a delete marker. */
  size?: number
}

/** What versioning means for deletion in a bucket: a plain removal hides an object, and only a purge frees its bytes. */
export function s3Versions(open: OpenBucket): ObjectVersions {
  return {
    state: (signal) => versioningOf(open, signal),
    purge: async (keys, signal) => {
      keys.forEach(assertKey)
      const unique = [...new Set(keys)]
      const freed = { versions: 0, bytes: 0 }
      for (let start = 0; start < unique.length; start += keysAtOnce) {
        const found = await versionsOf(open, unique.slice(start, start + keysAtOnce), signal)
        const objects = found.map(({ Key, VersionId }) => ({ Key, VersionId }))
        await deleteObjects(open, objects, signal, purgeRights)
        for (const { size } of found) {
          if (size === undefined) continue
          freed.versions++
          freed.bytes += size
        }
      }
      return freed
    },
  }
}

/** Whether a bucket keeps versions. A server that does not implement versioning keeps none. */
export async function versioningOf(
  { client, bucket, place }: OpenBucket,
  signal?: AbortSignal,
): Promise<Versioning> {
  try {
    const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket: bucket }), aborting(signal))
    if (Status === undefined) return 'off'
    return Status === 'Enabled' ? 'enabled' : 'suspended'
  } catch (cause) {
    if ((cause as Error).name === 'NotImplemented') return 'off'
    throw s3Error(cause, place, undefined, stateRights)
  }
}

async function versionsOf(
  open: OpenBucket,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Version[]> {
  const limit = pLimit(concurrentListings)
  try {
    return (await Promise.all(keys.map((key) => limit(() => versionsOfKey(open, key, signal))))).flat()
  } finally {
    // After a failure nobody waits for the listings that were not begun.
    limit.clearQueue()
  }
}

async function versionsOfKey(
  { client, bucket, place }: OpenBucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Version[]> {
  const found: Version[] = []
  let marker: { KeyMarker?: string; VersionIdMarker?: string } = {}
  for (;;) {
    const page = await s3Told(
      client.send(
        new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, ...marker }),
        aborting(signal),
      ),
      place,
      undefined,
      purgeRights,
    )
    const versions = (page.Versions ?? []).map(({ Key, VersionId, Size }) => ({
      Key,
      VersionId,
      size: Size!,
    }))
    const listed = [...versions, ...(page.DeleteMarkers ?? [])]
    const own = listed.filter(({ Key }) => Key === key)
    found.push(
      ...own.map((version) => ({
        Key: key,
        VersionId: version.VersionId!,
        ...('size' in version && { size: version.size }),
      })),
    )
    // A key sorts before all others it is a prefix of: where another one shows, its own versions are over.
    if (!page.IsTruncated || own.length < listed.length) return found
    marker = {
      ...(page.NextKeyMarker !== undefined && { KeyMarker: page.NextKeyMarker }),
      ...(page.NextVersionIdMarker !== undefined && { VersionIdMarker: page.NextVersionIdMarker }),
    }
  }
}

const aborting = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {})
