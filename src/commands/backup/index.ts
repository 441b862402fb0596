import * as Flags from '@oclif/core/flags'
import type { BucketPlan } from '../../backup/buckets.ts'
import type { BackupResult } from '../../backup/take.ts'
import { bucketsOf, openContext } from '../../context.ts'
import type { WalReport } from '../../database/health/wal.ts'
import { RmbgError } from '../../errors.ts'
import {
  environmentVariable as env,
  type ResolvedSettings,
  resolveSettings,
} from '../../settings/settings.ts'
import { sizeText } from '../../bytes.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { confirm } from '../../terminal/confirm.ts'
import { exitStatus } from '../../terminal/exit.ts'
import { plural } from '../../terminal/plural.ts'
import { progress } from '../../terminal/progress.ts'
import { onStopSignals } from '../../terminal/signals.ts'
import { bucketText, walText } from '../../terminal/texts/backup-text.ts'
import { monitorStatus } from '../../terminal/texts/health-text.ts'
import { openVaultAt } from '../../terminal/vault.ts'

/** As under --json. */
export type BackupOutcome = Omit<BackupResult, 'missing' | 'damaged'> & { missing: number; damaged: number }

interface BackupFlags {
  to?: string | undefined
  objects: boolean
  drill: boolean
  'keep-last'?: number | undefined
  'keep-days'?: number | undefined
}

interface BucketFlags {
  'archive-after'?: number | undefined
  'archive-class'?: string | undefined
  'expire-after'?: number | undefined
  'dry-run'?: boolean
  yes?: boolean
}

const otherModes = ['to', 'objects', 'drill', 'keep-last', 'keep-days']

export default class Backup extends BaseCommand {
  static override summary = 'Back up the database, and with --objects the images.'
  static override description =
    `Writes <backup id>/database.dump (pg_dump -Fc; of the embedded database plain SQL that PostgreSQL restores too) and a manifest with checksums, row counts and digests of every table. With --objects copies what completed jobs refer to into objects/, each object once for all backups. An interrupted backup is none, and the next one clears it away.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, or objects that were missing or damaged; with --check-wal 0 OK, 1 WARN, 2 CRIT.`
  static override examples = [
    '<%= config.bin %> backup --to /var/backups/rmbg --keep-days 30 --keep-last 7 --drill',
    '<%= config.bin %> backup --to s3://backups/rmbg --objects',
  ]
  static override enableJsonFlag = true
  static override flags = {
    to: Flags.string({
      helpValue: 'DIR|s3://BUCKET/PREFIX',
      description: `where to; a bucket is on the server of the object store [env: ${env('backupTo')}]`,
    }),
    objects: Flags.boolean({
      default: false,
      description: 'also copy the images, masks and cut-outs that are not there yet',
    }),
    drill: Flags.boolean({
      default: false,
      description: 'restore it into a database that is thrown away, and compare',
    }),
    'keep-last': Flags.integer({ min: 1, helpValue: 'N', description: 'then remove all but the newest N' }),
    'keep-days': Flags.integer({
      min: 1,
      helpValue: 'N',
      description: 'then remove those older than N days; the newest always stays',
    }),
    'check-wal': Flags.boolean({
      helpGroup: 'SERVER',
      default: false,
      description: 'instead: tell whether the server archives its WAL, and print the settings to add',
      exclusive: [...otherModes, 'configure-bucket'],
    }),
    'configure-bucket': Flags.boolean({
      helpGroup: 'BUCKET',
      default: false,
      description:
        'instead: make the bucket keep old versions, archive and then expire them; shows first what changes',
      exclusive: otherModes,
    }),
    'archive-after': Flags.integer({
      helpGroup: 'BUCKET',
      min: 1,
      helpValue: 'DAYS',
      description: 'when old versions go to the archive class (default: 30)',
      dependsOn: ['configure-bucket'],
    }),
    'archive-class': Flags.string({
      helpGroup: 'BUCKET',
      description: 'a storage class of the server; none leaves them where they are (default: GLACIER)',
      dependsOn: ['configure-bucket'],
    }),
    'expire-after': Flags.integer({
      helpGroup: 'BUCKET',
      min: 1,
      helpValue: 'DAYS',
      description: 'when old versions are removed (default: 365)',
      dependsOn: ['configure-bucket'],
    }),
    'dry-run': Flags.boolean({
      helpGroup: 'BUCKET',
      description: 'show what --configure-bucket would change',
      dependsOn: ['configure-bucket'],
    }),
    yes: Flags.boolean({
      helpGroup: 'BUCKET',
      char: 'y',
      description: 'do not ask',
      dependsOn: ['configure-bucket'],
    }),
  }

  async run(): Promise<BackupOutcome | WalReport | BucketPlan[]> {
    const { flags } = await this.parse(Backup)
    const settings = await resolveSettings({})
    if (flags['check-wal']) return this.#checkWal(settings)
    if (flags['configure-bucket']) return this.#configureBucket(settings, flags)
    return this.#backUp(settings, flags)
  }

  async #backUp(settings: ResolvedSettings, flags: BackupFlags): Promise<BackupOutcome> {
    const context = openContext(settings)
    const stop = onStopSignals(
      (message) => this.logToStderr(message),
      'this backup is given up, those before it stay',
    )
    try {
      const { vault } = await openVaultAt(context, settings, flags.to)
      const database = await context.database()
      const store = await context.store()
      const { takeBackup } = await import('../../backup/take.ts')
      const { countReferredObjects } = await import('../../database/backups.ts')
      const total = flags.objects ? (await countReferredObjects(database.sql)).count : 0
      const bar = progress('objects', total, { silent: this.jsonEnabled() })
      const { databaseUrl } = settings
      const result = await takeBackup(
        { database, databaseUrl, store, vault },
        {
          program: this.config.version,
          objects: flags.objects,
          drill: flags.drill,
          keepLast: flags['keep-last'],
          keepDays: flags['keep-days'],
          signal: stop.signal,
          onObject: () => bar.add(1),
          onStep: (step) => this.logToStderr(`${step[0]!.toUpperCase()}${step.slice(1)} …`),
        },
      ).finally(() => bar.stop())
      this.#tell(result, vault.location)
      const [missing, damaged] = [result.missing.length, result.damaged.length]
      if (missing + damaged > 0) process.exitCode = exitStatus.store
      return { ...result, missing, damaged }
    } catch (error) {
      if (stop.signal.aborted) this.stopped(stop)
      throw error
    } finally {
      await context.close()
      stop.release()
    }
  }

  #tell({ manifest, copied, missing, damaged, drilled, removed }: BackupResult, location: string): void {
    const { backupId, database, objects } = manifest
    const rows = database.tables.find(({ table }) => table === 'image_process_jobs')?.rows ?? 0
    this.log(`${backupId} in ${location}`)
    this.log(`database  ${plural(rows, 'job')}, ${sizeText(database.bytes)}`)
    if (objects.copied) {
      this.log(`objects   ${objects.count}, ${sizeText(objects.bytes)}; ${copied} copied now`)
    } else this.log('objects   none: this backup needs the object store as it is (--objects copies them)')
    if (drilled) {
      const seconds = (drilled.restoreMs / 1000).toFixed(1)
      this.log(
        `drill     restored in ${seconds} s, same rows; ${plural(drilled.objectsChecked, 'object')} checked`,
      )
    } else this.log('drill     not drilled: nobody knows whether it can be restored (--drill)')
    for (const id of removed) this.log(`removed   ${id}`)
    if (missing.length > 0) {
      this.logToStderr(
        `Not in the store: ${plural(missing.length, 'object')} of completed jobs, such as ${missing[0]}. rmbg prune --orphans finds their jobs.`,
      )
    }
    if (damaged.length > 0) {
      this.logToStderr(
        `Not what was written: ${plural(damaged.length, 'object')} of completed jobs, such as ${damaged[0]}. An older backup may have them; rmbg process --force makes them anew.`,
      )
    }
  }

  async #checkWal(settings: ResolvedSettings): Promise<WalReport> {
    const context = openContext(settings)
    try {
      const database = await context.database()
      if (database.kind === 'embedded') {
        throw new RmbgError('USAGE', 'The embedded database archives no WAL.', {
          hint: 'Set DATABASE_URL, or take backups more often.',
        })
      }
      const { checkWal } = await import('../../database/health/wal.ts')
      const report = await checkWal(database, '/var/backups/wal')
      this.log(walText(report))
      process.exitCode = monitorStatus[report.level]
      return report
    } finally {
      await context.close()
    }
  }

  async #configureBucket(settings: ResolvedSettings, flags: BucketFlags): Promise<BucketPlan[]> {
    const buckets = bucketsOf(settings)
    if (buckets.length === 0) {
      throw new RmbgError('USAGE', 'There is no bucket to configure: the objects are in a folder.', {
        hint: 'Set S3_BUCKET.',
      })
    }
    const wish = {
      archiveAfterDays: flags['archive-after'] ?? 30,
      archiveClass: flags['archive-class'] ?? 'GLACIER',
      expireAfterDays: flags['expire-after'] ?? 365,
    }
    const { configureBuckets, planBuckets } = await import('../../backup/buckets.ts')
    const plans = await planBuckets(buckets, wish)
    this.log(plans.map(bucketText).join('\n'))
    if (flags['dry-run'] || plans.every(({ changes }) => !changes)) return plans
    await confirm('Change it so?', { yes: flags.yes ?? false })
    await configureBuckets(buckets, wish)
    this.log('Done, and read back.')
    return plans
  }
}
