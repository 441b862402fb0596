import { DeleteObjectsCommand, type ObjectIdentifier, type S3Client } from '@aws-sdk/client-s3'
import { s3Error, s3Told } from './errors.ts'

/** A bucket and the client that is open to it. */
export interface OpenBucket {
  client: S3Client
  bucket: string
  /** For people and logs. */
  place: string
}

/** What DeleteObjects takes at most. */
const deleteBatch = 1000

/**
 * Deletes keys, or versions of them, in as few requests as there can be; what is absent is not an error.
 *
 * @param rights what the key needs, where that is more than s3:DeleteObject
 * @throws RmbgError at the first that the server refused
 */
export async function deleteObjects(
  { client, bucket, place }: OpenBucket,
  objects: readonly ObjectIdentifier[],
  signal?: AbortSignal,
  rights?: string,
): Promise<void> {
  for (let start = 0; start < objects.length; start += deleteBatch) {
    const Delete = { Objects: objects.slice(start, start + deleteBatch), Quiet: true }
    const { Errors } = await s3Told(
      client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }), {
        ...(signal && { abortSignal: signal }),
      }),
      place,
      undefined,
      rights,
    )
    const refused = Errors?.find(({ Code }) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion')
    if (refused) throw s3Error({ name: refused.Code, message: refused.Message }, place, refused.Key, rights)
  }
}
