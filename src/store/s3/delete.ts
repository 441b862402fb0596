import { DeleteObjectsCommand, type ObjectIdentifier } from '@aws-sdk/client-s3'
import { assertKey } from '../keys.ts'
import { aborting, keyFrom, keyIn, type OpenBucket } from './client.ts'
import { orS3Error, s3Error } from './errors.ts'

/** DeleteObjects takes no more. */
const deleteBatch = 1000

/** Removes the current versions of these keys. */
export async function removeObjects(
  open: OpenBucket,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  keys.forEach(assertKey)
  await deleteObjects(
    open,
    keys.map((key) => ({ Key: keyIn(open, key) })),
    signal,
  )
}

/**
 * Deletes keys of the bucket, or versions of them, in batches. Absent ones are no error.
 *
 * @param rights what the access key needs, where that is more than s3:DeleteObject
 * @throws RmbgError for the first that the server refused
 */
export async function deleteObjects(
  open: OpenBucket,
  objects: readonly ObjectIdentifier[],
  signal?: AbortSignal,
  rights?: string,
): Promise<void> {
  const { client, bucket, place } = open
  for (let start = 0; start < objects.length; start += deleteBatch) {
    const Delete = { Objects: objects.slice(start, start + deleteBatch), Quiet: true }
    const { Errors } = await orS3Error(
      client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }), aborting(signal)),
      place,
      undefined,
      rights,
    )
    const refused = Errors?.find(({ Code }) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion')
    if (!refused) continue
    const key = refused.Key && keyFrom(open, refused.Key)
    throw s3Error({ name: refused.Code, message: refused.Message }, place, key, rights)
  }
}
