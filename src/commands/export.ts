import * as Flags from '@oclif/core/flags'
import type { ExportResult } from '../jobs/lake/export.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { when } from '../terminal/flags.ts'
import { ownershipOf, takeOverFlag } from '../terminal/take-over.ts'
import { exportedMonthText, exportText } from '../terminal/texts/export-text.ts'

const exportFlags = {
  parquet: Flags.string({
    required: true,
    helpValue: 'DIR|s3://BUCKET/PREFIX',
    description:
      'where to write it: a place for this export alone; a bucket is on the server of the object store',
  }),
  since: when({
    description: 'only months from that of this date, time or age on, such as 2026-01-01 or 6mo',
  }),
  until: when({
    description: 'only months up to that of this date, time or age; the date itself is not included',
  }),
  'take-over': takeOverFlag,
}

export default class Export extends BaseCommand {
  static override summary = 'Write the log as Parquet files, one for each month.'
  static override description =
    `Writes month=2026-11/jobs.parquet and so on: every job that has ended, with its tags. An export that is there is brought up to date: months that have not changed stay as they are, and jobs that were pruned since stay in it. Can be stopped and repeated at any time. Needs the package @duckdb/node-api (npm install @duckdb/node-api).

Exit status: ${exitStatus.done} done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} folder or bucket.`
  static override examples = [
    '<%= config.bin %> export --parquet /var/lib/rmbg/history',
    '<%= config.bin %> export --parquet s3://analytics/rmbg --since 3mo --json',
    '<%= config.bin %> stats --from /var/lib/rmbg/history --since 5y --by model',
  ]
  static override enableJsonFlag = true
  static override flags = exportFlags

  async run(): Promise<ExportResult> {
    const { flags } = await this.parse(Export)
    return this.withContext(
      async ({ context, stop }: Frame) => {
        const { exportLog } = await import('../jobs/lake/export.ts')
        const place = await context.exportPlace(flags.parquet)
        const result = await exportLog(await context.database(), place, {
          ...{ since: flags.since, until: flags.until, signal: stop.signal },
          takeOver: ownershipOf(flags, { claims: true }).takeOver,
          onMonth: (month, done) => this.logToStderr(exportedMonthText(month, done)),
        })
        this.log(exportText(result))
        return result
      },
      { onStop: 'finished months stay, and the next export goes on there' },
    )
  }
}
