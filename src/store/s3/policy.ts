import type { LifecycleRule, TransitionStorageClass } from '@aws-sdk/client-s3'
import pRetry from 'p-retry'
import { RmbgError } from '../../errors.ts'
import { type BucketChanges, type BucketPlan, objectKinds, type Retention } from '../contract.ts'
import { keyIn, type OpenBucket } from './client.ts'
import { describeRule, sameRule } from './lifecycle.ts'
import { assertClass, type BucketSettings, enableVersioning, putRules, settingsOf } from './settings.ts'

const unfinishedUploadDays = 7
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
    const wanted = wantedRules(open, retention)
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
    if (set.length > 0) {
      await assertClass(this.#open, this.#retention)
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
      hint: 'They were left as they are. Run the command again to see a new plan.',
    })
  }
}

/** One rule for each kind of object; nothing else in a bucket is touched, and stores below other prefixes have their own. */
function wantedRules(open: OpenBucket, retention: Retention): (LifecycleRule & { ID: string })[] {
  const { archiveAfterDays, archiveClass, expireAfterDays } = retention
  return objectKinds.map((kind) => ({
    ID: open.prefix === '' ? `rmbg-${kind}` : `rmbg-${kind} ${open.prefix}`,
    Status: 'Enabled',
    Filter: { Prefix: keyIn(open, `${kind}/`) },
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
