import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetBucketLifecycleConfigurationCommand,
  type GetBucketLifecycleConfigurationCommandOutput,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  type StorageClass,
  type TransitionStorageClass,
} from '@aws-sdk/client-s3'
import pRetry from 'p-retry'
import { RmbgError } from '../../errors.ts'
import type { Versioning } from '../contract.ts'
import type { OpenBucket } from './delete.ts'
import { s3Error } from './errors.ts'
import { type S3Options, s3Client, s3Place } from './index.ts'
import { describeRule, portableRule, sameRule } from './lifecycle.ts'
import { versioningOf } from './versions.ts'

/** What a bucket does with old versions now, and what it should do. */
export interface BucketPlan {
  bucket: string
  versioning: { now: Versioning; wanted: 'enabled' }
  /** Ours only, each described in one line. */
  rules: { id: string; now: string | null; wanted: string }[]
  /** Whether anything is not yet as it is wanted. */
  changes: boolean
}

/** What should become of the versions that removals and overwrites leave behind. */
export interface BucketWish {
  archiveAfterDays: number
  /** A storage class of the server, such as GLACIER; 'none' leaves old versions where they are. */
  archiveClass: string
  /** More than archiveAfterDays. */
  expireAfterDays: number
  /** Of keys, such as `original/`; each gets a rule. */
  prefixes: readonly string[]
}

interface Lifecycle {
  rules: LifecycleRule[]
  /** AWS resets it with every put that does not repeat it. */
  minimumSize: GetBucketLifecycleConfigurationCommandOutput['TransitionDefaultMinimumObjectSize']
}

const unfinishedUploadDays = 7
const rights =
  's3:GetBucketVersioning, s3:PutBucketVersioning, s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration'

/**
 * What `configureBucket` would change. Changes nothing.
 *
 * @throws RmbgError USAGE for a wish that cannot be; of family `store` for what the server does not do or allow
 */
export async function planBucket(options: S3Options, wish: BucketWish): Promise<BucketPlan> {
  assertWish(wish)
  return withBucket(options, async (open) => planOf(open, wish, await lifecycleOf(open)))
}

/**
 * Turns on versioning and sets our lifecycle rules for old versions. Rules of others stay, current versions never expire,
 * and a bucket that is as it should be is only read.
 *
 * @returns the plan that was carried out and then found in effect; without `changes` nothing was to do
 * @throws RmbgError as `planBucket` does, and where the server did not keep what it was given
 */
export async function configureBucket(options: S3Options, wish: BucketWish): Promise<BucketPlan> {
  assertWish(wish)
  return withBucket(options, async (open) => {
    const before = await lifecycleOf(open)
    const plan = await planOf(open, wish, before)
    if (!plan.changes) return plan
    const rules = merged(before.rules, wish)
    if (!sameRules(rules, before.rules)) {
      if (wish.archiveClass !== 'none') await probeClass(open, wish)
      await putRules(open, { ...before, rules }, wish)
    }
    // After the rules: had they been refused, old versions would pile up with nothing to remove them.
    if (plan.versioning.now !== 'enabled') await enableVersioning(open)
    // A bucket's settings are eventually consistent on AWS.
    await pRetry(() => verify(open, rules), { retries: 3, minTimeout: 500 })
    return plan
  })
}

async function withBucket<T>(options: S3Options, action: (open: OpenBucket) => Promise<T>): Promise<T> {
  const client = s3Client(options)
  try {
    return await action({ client, bucket: options.bucket, place: s3Place(options) })
  } finally {
    client.destroy()
  }
}

function assertWish({ archiveAfterDays, archiveClass, expireAfterDays }: BucketWish): void {
  const archives = archiveClass !== 'none'
  const days = archives ? [archiveAfterDays, expireAfterDays] : [expireAfterDays]
  const wrong = days.find((count) => !Number.isInteger(count) || count < 1)
  if (wrong !== undefined) throw new RmbgError('USAGE', `${wrong} is no number of whole days.`)
  if (archives && expireAfterDays <= archiveAfterDays) {
    throw new RmbgError(
      'USAGE',
      `Old versions cannot expire after ${expireAfterDays} days when they are archived after ${archiveAfterDays}.`,
      { hint: 'Let them expire later than they are archived.' },
    )
  }
}

async function planOf(open: OpenBucket, wish: BucketWish, { rules }: Lifecycle): Promise<BucketPlan> {
  const now = await versioningOf(open)
  return {
    bucket: open.bucket,
    versioning: { now, wanted: 'enabled' },
    rules: wantedRules(wish).map((wanted) => {
      const present = rules.find(({ ID }) => ID === wanted.ID)
      return { id: wanted.ID!, now: present ? describeRule(present) : null, wanted: describeRule(wanted) }
    }),
    changes: now !== 'enabled' || !sameRules(rules, merged(rules, wish)),
  }
}

function wantedRules({
  archiveAfterDays,
  archiveClass,
  expireAfterDays,
  prefixes,
}: BucketWish): LifecycleRule[] {
  return [...new Set(prefixes)].map((prefix) => ({
    ID: `rmbg-${prefix.replace(/\/$/, '').replaceAll('/', '-') || 'all'}`,
    Status: 'Enabled',
    Filter: { Prefix: prefix },
    ...(archiveClass !== 'none' && {
      NoncurrentVersionTransitions: [
        { NoncurrentDays: archiveAfterDays, StorageClass: archiveClass as TransitionStorageClass },
      ],
    }),
    NoncurrentVersionExpiration: { NoncurrentDays: expireAfterDays },
    // Of delete markers with no version left behind them: it expires no object.
    Expiration: { ExpiredObjectDeleteMarker: true },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: unfinishedUploadDays },
  }))
}

function merged(present: readonly LifecycleRule[], wish: BucketWish): LifecycleRule[] {
  const wanted = wantedRules(wish)
  const ours = new Set(wanted.map(({ ID }) => ID))
  return [...present.filter(({ ID }) => !ours.has(ID)), ...wanted]
}

const sameRules = (some: readonly LifecycleRule[], others: readonly LifecycleRule[]): boolean =>
  some.length === others.length && differing(some, others).length === 0

/** Those of `some` that are not, or not the same, in `others`. */
const differing = (some: readonly LifecycleRule[], others: readonly LifecycleRule[]): LifecycleRule[] =>
  some.filter((rule) => !others.some((other) => other.ID === rule.ID && sameRule(rule, other)))

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
      'to tell its lifecycle rules',
      'Old versions need another way to expire there.',
    )
  }
}

/**
 * Ceph takes rules for any storage class, and then never moves anything to one it does not have. It does say
 * InvalidArgument where an object should begin in such a class. Other servers check the rules themselves, and may
 * rightly say InvalidStorageClass here, for what can be moved to cannot always be written to.
 */
async function probeClass({ client, bucket, place }: OpenBucket, wish: BucketWish): Promise<void> {
  const object = { Bucket: bucket, Key: `${wish.prefixes[0]}rmbg-storage-class` }
  try {
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ ...object, StorageClass: wish.archiveClass as StorageClass }),
    )
    // What stays of it when this fails, the rules remove.
    await client.send(new AbortMultipartUploadCommand({ ...object, UploadId })).catch(() => {})
  } catch (cause) {
    if ((cause as Error).name === 'InvalidArgument') throw refusedClass(place, wish.archiveClass, cause)
  }
}

async function putRules(
  open: OpenBucket,
  { rules, minimumSize }: Lifecycle,
  wish: BucketWish,
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
    if (wish.archiveClass !== 'none' && isRefusal(error)) {
      throw refusedClass(open.place, wish.archiveClass, cause)
    }
    throw refusal(open, cause, 'lifecycle rules for old versions', 'They need another way to expire there.')
  }
}

async function enableVersioning(open: OpenBucket): Promise<void> {
  const VersioningConfiguration = { Status: 'Enabled' } as const
  try {
    await open.client.send(new PutBucketVersioningCommand({ Bucket: open.bucket, VersioningConfiguration }))
  } catch (cause) {
    throw refusal(open, cause, 'to turn on versioning', 'Keep backups of the bucket elsewhere.')
  }
}

async function verify(open: OpenBucket, wanted: readonly LifecycleRule[]): Promise<void> {
  const [{ rules }, versioning] = await Promise.all([lifecycleOf(open), versioningOf(open)])
  const lost = differing(wanted, rules)
  if (lost.length > 0) {
    const ids = lost.map(({ ID }) => ID).join(', ')
    throw new RmbgError(
      'STORE_DENIED',
      `${open.place} did not keep these lifecycle rules as given: ${ids}.`,
      {
        hint: 'Look at the rules of the bucket; nothing of them is to be relied on.',
      },
    )
  }
  if (versioning !== 'enabled') {
    throw new RmbgError('STORE_DENIED', `${open.place} did not turn on versioning.`, {
      hint: 'Keep backups of the bucket elsewhere.',
    })
  }
}

/** The server answered, and will not: unlike a wrong credential, a missing bucket or a lost connection. */
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
    { hint: 'Name one it knows with --archive-class, or none to leave old versions where they are.', cause },
  )
}

/** Ceph names its errors and says no more, which the SDK calls UnknownError. */
function answerOf(cause: unknown): string {
  const { name, message } = cause as Error
  return message && message !== 'UnknownError' ? `${name}: ${message.replace(/\.$/, '')}` : name
}
