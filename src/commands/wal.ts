import * as Flags from '@oclif/core/flags'
import type { WalReport } from '../database/health/wal.ts'
import { RmbgError } from '../errors.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus, healthStatus } from '../terminal/exit.ts'
import { seconds } from '../terminal/flags.ts'
import { walText } from '../terminal/texts/wal-text.ts'

export default class Wal extends BaseCommand {
  static override summary =
    'Check what a lost PostgreSQL server can be brought back to: WAL archive, base backups, dumps.'
  static override description =
    `A dump (rmbg backup) brings the log back to the moment of the dump. A base backup with archived WAL (write-ahead log) brings the whole server back to any moment since. WAL replays onto a base backup only, never onto a restored dump, so an archive alone restores nothing.

Looks for base backups in what the server keeps of them and in its archive, where that is a folder of this machine; or asks the tool that is named. Prints the settings to add to postgresql.conf.

Exit status: 0 OK, ${exitStatus.healthWarn} WARN, ${exitStatus.healthCrit} CRIT, ${exitStatus.healthUnknown} UNKNOWN; with --monitor 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.`
  static override examples = [
    '<%= config.bin %> wal',
    '<%= config.bin %> wal --base-backups pgbackrest:main --max-age 2d --monitor',
  ]
  static override enableJsonFlag = true
  static override flags = {
    archive: Flags.string({
      helpValue: 'DIR',
      description:
        'folder of archived WAL, to look for base backups in and to write into settings (default: that of archive_command)',
    }),
    'base-backups': Flags.string({
      helpValue: 'pgbackrest:STANZA|wal-g',
      description: 'ask this tool for base backups, as it is configured on this machine',
    }),
    'max-age': seconds({
      description: 'warn when the newest base backup is older (default: 8d)',
    }),
    monitor: Flags.boolean({
      default: false,
      description: 'end with the exit status of a monitoring plugin (Nagios): 0 to 3',
    }),
  }

  async run(): Promise<WalReport> {
    const { flags } = await this.parse(Wal)
    return this.withContext(async ({ context, stop: { signal } }) => {
      const { parseBackupTool } = await import('../database/health/base-backups.ts')
      const named = flags['base-backups']
      const tool = named === undefined ? undefined : parseBackupTool(named)
      const database = await context.database()
      if (database.kind === 'embedded') {
        throw new RmbgError('USAGE', 'The embedded database archives no WAL.', {
          hint: 'Set DATABASE_URL, or take backups more often.',
        })
      }
      const { checkWal } = await import('../database/health/wal.ts')
      const report = await checkWal(database, flags.archive, {
        tool,
        maxAgeSeconds: flags['max-age'],
        signal,
      })
      this.log(walText(report))
      process.exitCode = healthStatus(report.level, flags)
      return report
    })
  }
}
