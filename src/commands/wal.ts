import * as Flags from '@oclif/core/flags'
import type { WalReport } from '../database/health/wal.ts'
import { RmbgError } from '../errors.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus, healthStatus } from '../terminal/exit.ts'
import { walText } from '../terminal/texts/backup-text.ts'

export default class Wal extends BaseCommand {
  static override summary = 'Check whether the PostgreSQL server archives its WAL.'
  static override description =
    `What is written between two backups can only be restored from archived WAL (write-ahead log). Prints the settings to add to postgresql.conf.

Exit status: 0 OK, ${exitStatus.healthWarn} WARN, ${exitStatus.healthCrit} CRIT; with --monitor 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.`
  static override examples = ['<%= config.bin %> wal', '<%= config.bin %> wal --monitor']
  static override enableJsonFlag = true
  static override flags = {
    monitor: Flags.boolean({
      default: false,
      description: 'end with the exit status of a monitoring plugin (Nagios): 0 to 3',
    }),
  }

  async run(): Promise<WalReport> {
    const { flags } = await this.parse(Wal)
    return this.withContext(async ({ context }) => {
      const database = await context.database()
      if (database.kind === 'embedded') {
        throw new RmbgError('USAGE', 'The embedded database archives no WAL.', {
          hint: 'Set DATABASE_URL, or take backups more often.',
        })
      }
      const { checkWal } = await import('../database/health/wal.ts')
      const report = await checkWal(database, '/var/backups/wal')
      this.log(walText(report))
      process.exitCode = healthStatus(report.level, flags)
      return report
    })
  }
}
