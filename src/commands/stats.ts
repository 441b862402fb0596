import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { openContext } from '../context.ts'
import type { HealthCheck, HealthLevel } from '../database/health/contract.ts'
import { type Dimension, dimensions } from '../database/usage.ts'
import { writeAtomically } from '../files.ts'
import type { Statistics } from '../jobs/statistics.ts'
import { resolveSettings } from '../settings/settings.ts'
import { parseWhen } from '../settings/when.ts'
import { BaseCommand, describeError } from '../terminal/command.ts'
import { healthStatus } from '../terminal/exit.ts'
import { cacheCheck, healthText, openMetrics, overallLevel } from '../terminal/texts/health-text.ts'
import { statisticsHtml } from '../terminal/texts/statistics-html.ts'
import { statisticsText } from '../terminal/texts/statistics-text.ts'

export interface Health {
  level: HealthLevel
  checks: HealthCheck[]
}

export default class Stats extends BaseCommand {
  static override summary = 'Tell how many jobs there were, how they ended and how long they took.'
  static override description =
    'Days are UTC, and those on which the jobs were created. Jobs that were pruned still count; what the store holds is what it holds now. Percentiles are known to 9%.'
  static override examples = [
    '<%= config.bin %> stats',
    '<%= config.bin %> stats --by user --since 90d --limit 20',
    '<%= config.bin %> stats --health',
    '<%= config.bin %> stats --since 2026-01-01 --until 2026-07-01 --html report.html',
  ]
  static override enableJsonFlag = true
  static override flags = {
    by: Flags.string({ options: [...dimensions], default: 'day', description: 'what to group by' }),
    since: Flags.string({
      helpValue: 'WHEN',
      default: '29d',
      description: 'first day: a date, or an age such as 90d',
    }),
    until: Flags.string({ helpValue: 'WHEN', description: 'up to, and without, this date or time' }),
    limit: Flags.integer({ char: 'n', min: 1, max: 100_000, default: 50, description: 'groups to list' }),
    health: Flags.boolean({
      default: false,
      description: 'instead: tell whether the database is well; exit status 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN',
    }),
    openmetrics: Flags.boolean({
      default: false,
      description: 'print the health as OpenMetrics text, for Prometheus',
      dependsOn: ['health'],
    }),
    html: Flags.string({ helpValue: 'FILE', description: 'also write a report with plots, one HTML file' }),
  }

  async run(): Promise<Statistics | Health> {
    const { flags } = await this.parse(Stats)
    if (flags.health) return this.#health(flags)
    const period = {
      since: parseWhen('since', flags.since),
      until: flags.until === undefined ? undefined : parseWhen('until', flags.until),
    }
    const context = openContext(await resolveSettings({}))
    try {
      const database = await context.database()
      const cache = await context.cache((message) => this.logToStderr(message))
      const { collectStatistics } = await import('../jobs/statistics.ts')
      const collect = (by: Dimension) =>
        collectStatistics(database, cache, { by, ...period, limit: flags.limit })
      const statistics = await collect(flags.by as Dimension)
      this.log(statisticsText(statistics))
      if (flags.html !== undefined) {
        const others: Statistics[] = []
        for (const by of ['user', 'model', 'tag', 'error'] as const) others.push(await collect(by))
        const file = resolve(flags.html)
        await writeAtomically(file, Buffer.from(statisticsHtml(await collect('day'), others)), 'report')
        this.logToStderr(`The report is in ${file}`)
      }
      return statistics
    } finally {
      await context.close()
    }
  }

  async #health({ openmetrics }: { openmetrics: boolean }): Promise<Health> {
    const context = openContext(await resolveSettings({}))
    try {
      const { checkHealth } = await import('../database/health/index.ts')
      const database = await context.database()
      const cache = await context.cache((message) => this.logToStderr(message))
      const checks = [...(await checkHealth(database)), ...cacheCheck(await cache.figures())]
      this.log(openmetrics ? openMetrics(checks) : healthText(checks))
      const level = overallLevel(checks)
      process.exitCode = healthStatus(level, { monitor: true })
      return { level, checks }
    } catch (error) {
      // A monitor knows four words only, and a database that does not answer is critical.
      const { code, message } = describeError(error)
      const isDown = code.startsWith('DATABASE_')
      const check: HealthCheck = {
        ...{ name: 'database', level: isDown ? 'crit' : 'unknown', summary: message },
        ...{ details: [], metrics: [] },
      }
      this.log(openmetrics ? openMetrics([check]) : healthText([check]))
      process.exitCode = healthStatus(check.level, { monitor: true })
      return { level: check.level, checks: [check] }
    } finally {
      await context.close()
    }
  }
}
