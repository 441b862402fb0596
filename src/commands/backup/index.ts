import { Flags } from '@oclif/core'
import type { BackupResult } from '../../backup/take.ts'
import { BaseCommand } from '../../cli/base.ts'
import { exitStatus } from '../../cli/exit.ts'
import { megabytes } from '../../cli/megabytes.ts'
import { progress } from '../../cli/progress.ts'
import { environmentVariable as env, resolveSettings } from '../../cli/settings.ts'
import { onStopSignals } from '../../cli/signals.ts'
import { openVaultAt } from '../../cli/vault.ts'
import { openContext } from '../../context.ts'

export default class Backup extends BaseCommand {
  static override summary = 'Back up the database, and with --objects the images.'
  static override description =
    `Writes <backup id>/database.dump (pg_dump -Fc; of the embedded database plain SQL that PostgreSQL restores too) and a manifest with checksums, row counts and digests of every table. With --objects copies what completed jobs refer to into objects/, each object once for all backups. An interrupted backup is none, and the next one clears it away.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, or objects that were missing.`
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
  }

  async run(): Promise<Omit<BackupResult, 'missing'> & { missing: number }> {
    const { flags } = await this.parse(Backup)
    const settings = await resolveSettings({})
    const context = openContext(settings)
    const stop = onStopSignals((message) => this.logToStderr(message), 'what is begun is')
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
      if (result.missing.length > 0) process.exitCode = exitStatus.store
      return { ...result, missing: result.missing.length }
    } finally {
      await context.close()
      stop.release()
    }
  }

  #tell({ manifest, copied, missing, drilled, removed }: BackupResult, location: string): void {
    const { backupId, database, objects } = manifest
    const rows = database.tables.find(({ table }) => table === 'image_process_jobs')?.rows ?? 0
    this.log(`${backupId} in ${location}`)
    this.log(`database  ${rows} jobs, ${megabytes(database.bytes)}`)
    if (objects.copied) {
      this.log(`objects   ${objects.count}, ${megabytes(objects.bytes)}; ${copied} copied now`)
    } else this.log('objects   none: this backup needs the object store as it is (--objects copies them)')
    if (drilled) {
      const seconds = (drilled.restoreMs / 1000).toFixed(1)
      this.log(`drill     restored in ${seconds} s, same rows; ${drilled.objectsChecked} objects checked`)
    } else this.log('drill     not drilled: nobody knows whether it can be restored (--drill)')
    for (const id of removed) this.log(`removed   ${id}`)
    if (missing.length === 0) return
    this.logToStderr(
      `${missing.length} objects of completed jobs are not in the store, such as ${missing[0]}. rmbg prune --orphans finds their jobs.`,
    )
  }
}
