import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import type { Context } from '../context.ts'
import { dimensions } from '../database/usage.ts'
import type { Report, Statistics } from '../jobs/statistics.ts'
import { BaseCommand } from '../terminal/command.ts'
import { when } from '../terminal/flags.ts'
import { freshFlag, openToRead } from '../terminal/read-database.ts'
import { statisticsHtml } from '../terminal/texts/statistics-html.ts'
import { statisticsText } from '../terminal/texts/statistics-text.ts'

const statsFlags = {
  by: Flags.option({ options: dimensions, default: 'day', description: 'what to group by' })(),
  since: when({
    default: { ago: '29 days' },
    defaultHelp: async () => '29d',
    description: 'first day: a date, or an age such as 90d',
  }),
  until: when({ description: 'end, not included: a date or a time' }),
  limit: Flags.integer({ char: 'n', min: 1, max: 100_000, default: 50, description: 'groups to list' }),
  from: Flags.string({
    helpValue: 'DIR|s3://BUCKET/PREFIX',
    description: 'ask an export (rmbg export) instead of the database; pruned jobs are in it, too',
  }),
  fresh: freshFlag,
  html: Flags.string({
    helpValue: 'FILE',
    description: 'also write a report with charts, as one HTML file',
  }),
  overwrite: Flags.boolean({
    description: 'also replace a file that is not a report made by rmbg',
    dependsOn: ['html'],
  }),
}
type StatsFlags = Interfaces.InferredFlags<typeof statsFlags>

/** Who answers: the database, or an export. */
interface Answers {
  statistics: Statistics
  /** Of the same period, when it is asked for. */
  report(): Promise<Report>
}

export default class Stats extends BaseCommand {
  static override summary = 'Show how many jobs there were, how they ended and how long they took.'
  static override description =
    'A job counts for the day (UTC) it was created on. Deleted jobs still count; storage figures show what is stored now. Percentiles are exact to within 9%; those of an export are exact, and there are some for users, tags and errors as well.'
  static override examples = [
    '<%= config.bin %> stats',
    '<%= config.bin %> stats --by user --since 90d --limit 20',
    '<%= config.bin %> stats --since 2026-01-01 --until 2026-07-01 --html report.html',
    '<%= config.bin %> stats --from s3://analytics/rmbg --since 5y --by model',
  ]
  static override enableJsonFlag = true
  static override flags = statsFlags

  async run(): Promise<Statistics> {
    const { flags } = await this.parse(Stats)
    return this.withContext(async ({ context }) => {
      const { reportFile } = await import('../jobs/report-file.ts')
      const file = flags.html === undefined ? undefined : resolve(flags.html)
      const target = file === undefined ? undefined : await reportFile(file, flags)
      return this.#ask(context, flags, async ({ statistics, report }) => {
        this.log(statisticsText(statistics))
        if (target) {
          await target.write(statisticsHtml(await report()))
          this.logToStderr(`The report is in ${file}`)
        }
        return statistics
      })
    })
  }

  async #ask<T>(context: Context, flags: StatsFlags, tell: (answers: Answers) => Promise<T>): Promise<T> {
    const { by, since, until, limit } = flags
    const period = { since, until, limit }
    if (flags.from !== undefined) {
      const { withExport } = await import('../jobs/lake/statistics.ts')
      return withExport(await context.exportPlace(flags.from), async ({ statistics, report }) =>
        tell({ statistics: await statistics({ by, ...period }), report: () => report(period) }),
      )
    }
    const { database, cache, replica } = await openToRead(context, flags, (told) => this.logToStderr(told))
    const { collectReport, collectStatistics } = await import('../jobs/statistics.ts')
    return tell({
      statistics: { ...(await collectStatistics(database, cache, { by, ...period })), ...replica },
      report: () => collectReport(database, cache, period),
    })
  }
}
