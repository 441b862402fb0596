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
import {
  type BucketChanges,
  type BucketPlan,
  objectKinds,
  type Retention,
  type Versioning,
} from '../contract.ts'
import type { OpenBucket } from './client.ts'
import { s3Error } from './errors.ts'
import { describeRule, portableRule, sameRule } from './lifecycle.ts'
import { versioningOf } from './versions.ts'

interface Lifecycle {
  rules: LifecycleRule[]
  /** AWS resets it with every put that does not repeat it. */
  minimumSize: GetBucketLifecycleConfigurationCommandOutput['TransitionDefaultMinimumObjectSize']
}

/** All that a plan depends on. */
interface BucketSettings {
  versioning: Versioning
  lifecycle: Lifecycle
}

const unfinishedUploadDays = 7
const rights =
  's3:GetBucketVersioning, s3:PutBucketVersioning, s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration'

/** Reads the settings of a bucket and plans what to change; what `ObjectVersions.plan` says. */
export async function planBucket(open: OpenBucket, retention: Retention): Promise<BucketPlan> {
  assertRetention(retention)
  return new SettingsPlan(open, retention, await settingsOf(open))
}

function assertRetention({ archiveAfterDays, archiveClass, expireAfterDays }: Retention): void {
  const archives = archiveClass !== 'none'
  const days = archives ? [archiveAfterDays, expireAfterDays] : [expireAfterDays]
  const wrong = days.find((count) => !Number.isInteger(count) || count < 1)
  if (wrong !== undefined) {
    throw new RmbgError('USAGE', `Expected a whole number of days, at least 1, but received ${wrong}.`)
  }
  if (archives && expireAfterDays <= archiveAfterDays) {
    throw new RmbgError(
      'USAGE',
      `Old versions cannot expire after ${expireAfterDays} days if they are archived after ${archiveAfterDays}.`,
      { hint: 'Let them expire later than they are archived.' },
    )
  }
}

/**
 * Turns on versioning and sets the lifecycle rules of rmbg for old versions. Rules of others stay, and current versions
 * never expire.
 */
class SettingsPlan implements BucketPlan {
  readonly bucket: string
  readonly versioning: BucketPlan['versioning']
  readonly rules: BucketPlan['rules']
  readonly changes: boolean
  readonly #open: OpenBucket
  readonly #retention: Retention
  readonly #before: BucketSettings
  readonly #after: readonly LifecycleRule[]

  constructor(open: OpenBucket, retention: Retention, before: BucketSettings) {
    this.#open = open
    this.#retention = retention
    this.#before = before
    const { rules } = before.lifecycle
    const wanted = wantedRules(retention)
    const foreign = rules.filter(({ ID }) => !wanted.some((rule) => rule.ID === ID))
    this.#after = [...foreign, ...wanted]
    this.bucket = open.bucket
    this.versioning = { now: before.versioning, wanted: 'enabled' }
    this.rules = wanted.map((rule) => {
      const present = rules.find(({ ID }) => ID === rule.ID)
      return { id: rule.ID, now: present ? describeRule(present) : null, wanted: describeRule(rule) }
    })
    this.changes = before.versioning !== 'enabled' || !sameRules(rules, this.#after)
  }

  async execute(): Promise<BucketChanges> {
    const { versioning, lifecycle } = this.#before
    const done: BucketChanges = { bucket: this.bucket, versioningEnabled: false, rulesSet: [] }
    if (!this.changes) return done
    await this.#assertUnchanged()
    const set = differing(this.#after, lifecycle.rules)
    if (!sameRules(this.#after, lifecycle.rules)) {
      await probeClass(this.#open, this.#retention)
      await putRules(this.#open, { ...lifecycle, rules: [...this.#after] }, this.#retention)
      done.rulesSet = set.map(({ ID }) => ID!)
    }
    // After the rules: if they were refused, old versions would pile up and nothing would remove them.
    if (versioning !== 'enabled') {
      await enableVersioning(this.#open)
      done.versioningEnabled = true
    }
    // A bucket's settings are eventually consistent on AWS.
    await pRetry(() => assertKept(this.#open, this.#after), { retries: 3, minTimeout: 500 })
    return done
  }

  /** S3 has no conditional write of settings, so a change between this look and the write stays unseen. */
  async #assertUnchanged(): Promise<void> {
    const now = await settingsOf(this.#open)
    const before = this.#before
    if (
      now.versioning === before.versioning &&
      now.lifecycle.minimumSize === before.lifecycle.minimumSize &&
      sameRules(now.lifecycle.rules, before.lifecycle.rules)
    )
      return
    throw new RmbgError('REFUSED', `The settings of ${this.#open.place} changed after the plan was made.`, {
      hint: 'Nothing was changed. Run the command again to see a new plan.',
    })
  }
}

async function settingsOf(open: OpenBucket): Promise<BucketSettings> {
  return { lifecycle: await lifecycleOf(open), versioning: await versioningOf(open) }
}

/** One rule for each kind of object; nothing else in a bucket is touched. */
function wantedRules(retention: Retention): (LifecycleRule & { ID: string })[] {
  const { archiveAfterDays, archiveClass, expireAfterDays } = retention
  return objectKinds.map((kind) => ({
    ID: `rmbg-${kind}`,
    Status: 'Enabled',
    Filter: { Prefix: `${kind}/` },
    ...(archiveClass !== 'none' && {
      NoncurrentVersionTransitions: [
        { NoncurrentDays: archiveAfterDays, StorageClass: archiveClass as TransitionStorageClass },
      ],
    }),
    NoncurrentVersionExpiration: { NoncurrentDays: expireAfterDays },
    // Removes delete markers with no version left behind them; it expires no object.
    Expiration: { ExpiredObjectDeleteMarker: true },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: unfinishedUploadDays },
  }))
}

const sameRules = (some: readonly LifecycleRule[], others: readonly LifecycleRule[]): boolean =>
  some.length === others.length && differing(some, others).length === 0

/** The rules of `some` that are missing from `others` or differ there. */
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
async function probeClass({ client, bucket, place }: OpenBucket, { archiveClass }: Retention): Promise<void> {
  if (archiveClass === 'none') return
  const object = { Bucket: bucket, Key: `${objectKinds[0]}/rmbg-storage-class` }
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

async function putRules(
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

async function enableVersioning(open: OpenBucket): Promise<void> {
  const VersioningConfiguration = { Status: 'Enabled' } as const
  try {
    await open.client.send(new PutBucketVersioningCommand({ Bucket: open.bucket, VersioningConfiguration }))
  } catch (cause) {
    throw refusal(open, cause, 'to turn on versioning', 'Keep backups of the bucket elsewhere.')
  }
}

async function assertKept(open: OpenBucket, wanted: readonly LifecycleRule[]): Promise<void> {
  const { lifecycle, versioning } = await settingsOf(open)
  const lost = differing(wanted, lifecycle.rules)
  if (lost.length > 0) {
    const ids = lost.map(({ ID }) => ID).join(', ')
    throw new RmbgError(
      'STORE_DENIED',
      `${open.place} did not keep these lifecycle rules as given: ${ids}.`,
      {
        hint: 'Look at the rules of the bucket; do not rely on them.',
      },
    )
  }
  if (versioning !== 'enabled') {
    throw new RmbgError('STORE_DENIED', `${open.place} did not turn on versioning.`, {
      hint: 'Keep backups of the bucket elsewhere.',
    })
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
