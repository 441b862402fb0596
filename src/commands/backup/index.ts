import * as Flags from '@oclif/core/flags'
import type { BackupResult } from '../../backup/take.ts'
import { environmentVariable as env } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { exitStatus } from '../../terminal/exit.ts'
import { progress } from '../../terminal/progress.ts'
import { backupText, backupWarnings } from '../../terminal/texts/backup-text.ts'

/** As under --json. */
export type BackupOutcome = Omit<BackupResult, 'missing' | 'damaged'> & { missing: number; damaged: number }

export default class Backup extends BaseCommand {
  static override summary = 'Back up the database, and with --objects the images.'
  static override description =
    `Writes <backup id>/database.dump (pg_dump -Fc; for the embedded database plain SQL, which PostgreSQL restores too) and a manifest with checksums, row counts and digests of every table. --objects also copies the objects of completed jobs into objects/, once for all backups. An interrupted backup does not count; the next backup removes it.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, or objects that were missing or damaged.`
  static override examples = [
    '<%= config.bin %> backup --to /var/backups/rmbg --keep-days 30 --keep-last 7 --drill',
    '<%= config.bin %> backup --to s3://backups/rmbg --objects',
  ]
  static override enableJsonFlag = true
  static override flags = {
    to: Flags.string({
      helpValue: 'DIR|s3://BUCKET/PREFIX',
      description: `where to write it; a bucket is on the server of the object store [env: ${env('backupTo')}]`,
    }),
    objects: Flags.boolean({
      default: false,
      description: 'also copy the images, masks and cut-outs that are not there yet',
    }),
    drill: Flags.boolean({
      default: false,
      description: 'then restore it into a temporary database, and compare',
    }),
    'keep-last': Flags.integer({ min: 1, helpValue: 'N', description: 'then remove all but the newest N' }),
    'keep-days': Flags.integer({
      min: 1,
      helpValue: 'N',
      description: 'then remove those older than N days; the newest always stays',
    }),
  }

  async run(): Promise<BackupOutcome> {
    const { flags } = await this.parse(Backup)
    return this.withContext(
      async ({ context, stop: { signal } }) => {
        const { vault } = await context.vault(flags.to)
        const database = await context.database()
        const store = await context.store()
        const { countReferredObjects } = await import('../../database/backups.ts')
        const total = flags.objects ? (await countReferredObjects(database.sql)).count : 0
        const bar = progress('objects', total, { silent: this.jsonEnabled() })
        const { takeBackup } = await import('../../backup/take.ts')
        const { missing, damaged, ...result } = await takeBackup(
          { database, store, vault },
          {
            program: this.config.version,
            objects: flags.objects,
            drill: flags.drill,
            keepLast: flags['keep-last'],
            keepDays: flags['keep-days'],
            signal,
            onObject: () => bar.add(1),
            onStep: (step) => this.logToStderr(`${step.charAt(0).toUpperCase()}${step.slice(1)} …`),
          },
        ).finally(() => bar.stop())
        this.log(backupText(result, vault.location))
        for (const warning of backupWarnings({ missing, damaged })) this.logToStderr(warning)
        if (missing.length + damaged.length > 0) process.exitCode = exitStatus.store
        return { ...result, missing: missing.length, damaged: damaged.length }
      },
      { onStop: 'this backup is dropped; earlier backups stay', namesDatabase: true },
    )
  }
}
