/** The settings of a bucket that a plan depends on: how to read and write them, and what servers refuse. */
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetBucketLifecycleConfigurationCommand,
  type GetBucketLifecycleConfigurationCommandOutput,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  type StorageClass,
} from '@aws-sdk/client-s3'
import { RmbgError } from '../../errors.ts'
import { objectKinds, type Retention, type Versioning } from '../contract.ts'
import { keyIn, type OpenBucket } from './client.ts'
import { s3Error } from './errors.ts'
import { portableRule } from './lifecycle.ts'
import { versioningOf } from './versions.ts'

interface Lifecycle {
  rules: LifecycleRule[]
  /** AWS resets it with every put that does not repeat it. */
  minimumSize: GetBucketLifecycleConfigurationCommandOutput['TransitionDefaultMinimumObjectSize']
}

export interface BucketSettings {
  versioning: Versioning
  lifecycle: Lifecycle
}

const rights =
  's3:GetBucketVersioning, s3:PutBucketVersioning, s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration'

export async function settingsOf(open: OpenBucket): Promise<BucketSettings> {
  return { lifecycle: await lifecycleOf(open), versioning: await versioningOf(open) }
}

async function lifecycleOf(open: OpenBucket): Promise<Lifecycle> {
  try {
    const answer = await open.client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: open.bucket }))
    return {
      rules: (answer.Rules ?? []).map(portableRule),
      minimumSize: answer.TransitionDefaultMinimumObjectSize,
    }
  } catch (cause) {
    if ((cause as Error).name === 'NoSuchLifecycleConfiguration') return { rules: [], minimumSize: undefined }
    throw refusal(
      open,
      cause,
      'to list its lifecycle rules',
      'Find another way to expire old versions there.',
    )
  }
}

/**
 * Fails for a storage class the server does not have. Ceph accepts rules for any class and then moves nothing; but it
 * answers InvalidArgument to an upload that starts in such a class. Other servers check the rules themselves. They may
 * answer InvalidStorageClass here, because not every class that objects can move to can be written to: that is no failure.
 */
export async function assertClass(open: OpenBucket, { archiveClass }: Retention): Promise<void> {
  if (archiveClass === 'none') return
  const { client, bucket, place } = open
  const object = { Bucket: bucket, Key: keyIn(open, `${objectKinds[0]}/rmbg-storage-class`) }
  try {
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ ...object, StorageClass: archiveClass as StorageClass }),
    )
    // If this fails, the rules will remove the unfinished upload.
    await client.send(new AbortMultipartUploadCommand({ ...object, UploadId })).catch(() => {})
  } catch (cause) {
    if ((cause as Error).name === 'InvalidArgument') throw refusedClass(place, archiveClass, cause)
  }
}

export async function putRules(
  open: OpenBucket,
  { rules, minimumSize }: Lifecycle,
  { archiveClass }: Retention,
): Promise<void> {
  try {
    await open.client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: open.bucket,
        LifecycleConfiguration: { Rules: rules },
        ...(minimumSize !== undefined && { TransitionDefaultMinimumObjectSize: minimumSize }),
      }),
    )
  } catch (cause) {
    const error = s3Error(cause, open.place, undefined, rights)
    if (archiveClass !== 'none' && isRefusal(error)) {
      throw refusedClass(open.place, archiveClass, cause)
    }
    throw refusal(open, cause, 'lifecycle rules for old versions', 'Find another way to expire them there.')
  }
}

export async function enableVersioning(open: OpenBucket): Promise<void> {
  const VersioningConfiguration = { Status: 'Enabled' } as const
  try {
    await open.client.send(new PutBucketVersioningCommand({ Bucket: open.bucket, VersioningConfiguration }))
  } catch (cause) {
    throw refusal(open, cause, 'to turn on versioning', 'Keep backups of the bucket elsewhere.')
  }
}

/** The server understood and refused: not a wrong credential, a missing bucket or a lost connection. */
function isRefusal(error: Error): boolean {
  if (!(error instanceof RmbgError) || error.code !== 'STORE_UNAVAILABLE') return false
  const { $metadata } = error.cause as { $metadata?: { httpStatusCode?: number } }
  return [400, 405, 501].includes($metadata?.httpStatusCode ?? 0)
}

function refusal({ place }: OpenBucket, cause: unknown, what: string, hint: string): Error {
  const error = s3Error(cause, place, undefined, rights)
  if (!isRefusal(error)) return error
  return new RmbgError('STORE_DENIED', `${place} refused ${what} (${answerOf(cause)}).`, { hint, cause })
}

function refusedClass(place: string, archiveClass: string, cause: unknown): RmbgError {
  return new RmbgError(
    'STORE_DENIED',
    `${place} refused to move old versions to the storage class ${archiveClass} (${answerOf(cause)}).`,
    {
      hint: 'Choose a class it has with --archive-class, or none to leave old versions where they are.',
      cause,
    },
  )
}

/** Ceph sends error names without a message; the SDK then says UnknownError. */
function answerOf(cause: unknown): string {
  const { name, message } = cause as Error
  return message && message !== 'UnknownError' ? `${name}: ${message.replace(/\.$/, '')}` : name
}
