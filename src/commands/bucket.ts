import * as Flags from '@oclif/core/flags'
import { RmbgError } from '../errors.ts'
import type { BucketChanges, BucketPlan } from '../store/contract.ts'
import { BaseCommand } from '../terminal/command.ts'
import { confirm } from '../terminal/confirm.ts'
import { exitStatus } from '../terminal/exit.ts'
import { bucketChangesText, bucketPlanText } from '../terminal/texts/bucket-text.ts'

export interface BucketResult {
  plans: BucketPlan[]
  /** Of each bucket that was changed. */
  changed: BucketChanges[]
}

export default class Bucket extends BaseCommand {
  static override summary = 'Keep deleted and replaced objects for a while: versioning and lifecycle rules.'
  static override description =
    `Turns on versioning for the buckets of the object store, so that the server keeps the old version of an object that is deleted or replaced. Lifecycle rules archive old versions and later delete them. Current objects never expire, and other lifecycle rules of the bucket stay as they are. The command shows what it would change, asks, and makes exactly those changes.

Exit status: 0 done or nothing to do, ${exitStatus.usage} refused or wrong usage, ${exitStatus.store} object store.`
  static override examples = [
    '<%= config.bin %> bucket --dry-run',
    '<%= config.bin %> bucket --archive-after 30 --archive-class GLACIER --expire-after 365',
    '<%= config.bin %> bucket --archive-class none --yes',
  ]
  static override enableJsonFlag = true
  static override flags = {
    'archive-after': Flags.integer({
      min: 1,
      default: 30,
      helpValue: 'DAYS',
      description: 'move old versions to the archive class after this many days',
    }),
    'archive-class': Flags.string({
      default: 'GLACIER',
      helpValue: 'CLASS',
      description: 'storage class for old versions, one that the store has; "none" does not move them',
    }),
    'expire-after': Flags.integer({
      min: 1,
      default: 365,
      helpValue: 'DAYS',
      description: 'delete old versions after this many days',
    }),
    'dry-run': Flags.boolean({ description: 'show the changes and stop' }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run(): Promise<BucketResult> {
    const { flags } = await this.parse(Bucket)
    return this.withContext(async ({ context }) => {
      const { versions } = await context.store()
      if (!versions) {
        throw new RmbgError('USAGE', 'There is no bucket to configure: the object store is a folder.', {
          hint: 'Set S3_BUCKET.',
        })
      }
      const plans = await versions.plan({
        archiveAfterDays: flags['archive-after'],
        archiveClass: flags['archive-class'],
        expireAfterDays: flags['expire-after'],
      })
      this.log(plans.map(bucketPlanText).join('\n'))
      const due = plans.filter(({ changes }) => changes)
      const changed: BucketChanges[] = []
      if (flags['dry-run'] || due.length === 0) return { plans, changed }
      await context.ownStore(await context.database(), { claims: false })
      await confirm('Apply these changes?', flags)
      for (const plan of due) {
        changed.push(await plan.execute())
        this.log(bucketChangesText(changed.at(-1)!))
      }
      return { plans, changed }
    })
  }
}
