import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { dimensions } from '../database/usage.ts'
import type { Statistics } from '../jobs/statistics.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { when } from '../terminal/flags.ts'
import { statisticsHtml } from '../terminal/texts/statistics-html.ts'
import { statisticsText } from '../terminal/texts/statistics-text.ts'

export default class Stats extends BaseCommand {
  static override summary = 'Show how many jobs there were, how they ended and how long they took.'
  static override description =
    'A job counts for the day (UTC) it was created on. Deleted jobs still count; storage figures show what is stored now. Percentiles are exact to within 9%.'
  static override examples = [
    '<%= config.bin %> stats',
    '<%= config.bin %> stats --by user --since 90d --limit 20',
    '<%= config.bin %> stats --since 2026-01-01 --until 2026-07-01 --html report.html',
  ]
  static override enableJsonFlag = true
  static override flags = {
    by: Flags.option({ options: dimensions, default: 'day', description: 'what to group by' })(),
    since: when({
      default: { ago: '29 days' },
      defaultHelp: async () => '29d',
      description: 'first day: a date, or an age such as 90d',
    }),
    until: when({ description: 'end, not included: a date or a time' }),
    limit: Flags.integer({ char: 'n', min: 1, max: 100_000, default: 50, description: 'groups to list' }),
    html: Flags.string({
      helpValue: 'FILE',
      description: 'also write a report with charts, as one HTML file',
    }),
    overwrite: Flags.boolean({
      description: 'also replace a file that is not a report made by rmbg',
      dependsOn: ['html'],
    }),
  }

  async run(): Promise<Statistics> {
    const { flags } = await this.parse(Stats)
    const options = { since: flags.since, until: flags.until, limit: flags.limit }
    return this.withContext(async ({ context }: Frame) => {
      const { reportFile } = await import('../jobs/report-file.ts')
      const file = flags.html === undefined ? undefined : resolve(flags.html)
      const target = file === undefined ? undefined : await reportFile(file, flags)
      const database = await context.database()
      const cache = await context.cache((message) => this.logToStderr(message))
      const { collectReport, collectStatistics } = await import('../jobs/statistics.ts')
      const statistics = await collectStatistics(database, cache, { by: flags.by, ...options })
      this.log(statisticsText(statistics))
      if (target) {
        await target.write(statisticsHtml(await collectReport(database, cache, options)))
        this.logToStderr(`The report is in ${file}`)
      }
      return statistics
    })
  }
}
