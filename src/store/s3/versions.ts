import { GetBucketVersioningCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import type { Versioning } from '../contract.ts'
import { assertKey } from '../keys.ts'
import { aborting, keyIn, type OpenBucket } from './client.ts'
import { deleteObjects } from './delete.ts'
import { orS3Error, s3Error } from './errors.ts'

/** One request lists the versions of one key, so several run at the same time. */
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

/** Whether a bucket keeps old versions. A server that does not implement versioning keeps none. */
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

/** Removes all versions of keys; what `ObjectVersions.purge` says. */
export async function purgeVersions(
  open: OpenBucket,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ versions: number; bytes: number }> {
  keys.forEach(assertKey)
  const unique = [...new Set(keys.map((key) => keyIn(open, key)))]
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
    // After a failure, do not start the listings that are still waiting.
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
    const page = await orS3Error(
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
    // A key sorts before all keys it is a prefix of. Once another key shows up, there are no more versions of this one.
    if (!page.IsTruncated || own.length < listed.length) return found
    marker = {
      ...(page.NextKeyMarker !== undefined && { KeyMarker: page.NextKeyMarker }),
      ...(page.NextVersionIdMarker !== undefined && { VersionIdMarker: page.NextVersionIdMarker }),
    }
  }
}
