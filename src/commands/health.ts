import type { HealthCheck, HealthLevel } from '../database/health/contract.ts'
import type { HealthOptions, SettingsAdvice } from '../database/health/index.ts'
import { judgeBy } from '../database/health/thresholds.ts'
import { databaseFolder, healthFolder } from '../settings/settings.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { exitStatus, healthStatus } from '../terminal/exit.ts'
import { failedCheck, type HealthFlags, healthFlags } from '../terminal/health-flags.ts'
import { cacheCheck } from '../terminal/texts/cache-check.ts'
import { healthText, overallLevel, suggestionText } from '../terminal/texts/health-text.ts'

export interface HealthReport {
  level: HealthLevel
  checks: HealthCheck[]
}

export default class Health extends BaseCommand {
  static override summary = 'Check the health of the database.'
  static override description =
    `Prints one line for each check, and what to do where something is wrong. UNKNOWN means that your role may not see a figure, or that it cannot be trusted. --suggest prints settings for postgresql.conf instead, and ends with 0.

Exit status, that of the worst check: ${exitStatus.done} OK, ${exitStatus.healthWarn} WARN, ${exitStatus.healthCrit} CRIT (also when the database does not answer), ${exitStatus.healthUnknown} UNKNOWN. With --monitor: 0, 1, 2 and 3, as Nagios and its relatives expect.`
  static override usage =
    'health [--output FILE] [--openmetrics | --monitor | --suggest] [--warn NAME=VALUE] [--crit NAME=VALUE] [--json]'
  static override examples = [
    '<%= config.bin %> health',
    '<%= config.bin %> health --monitor --warn connections=90% --crit query=off',
    '<%= config.bin %> health --output /var/lib/node_exporter/rmbg.prom',
    '<%= config.bin %> health --suggest --server-memory 16GB --server-cpus 8 > rmbg.conf',
  ]
  static override baseFlags = {}
  static override enableJsonFlag = true
  static override flags = healthFlags

  async run(): Promise<HealthReport | SettingsAdvice> {
    const { flags } = await this.parse(Health)
    if (flags.suggest) return this.#suggest(flags)
    const checks = await this.#check(flags).catch((error) => [failedCheck(error)])
    const level = overallLevel(checks)
    process.exitCode = healthStatus(level, flags)
    this.log(flags.openmetrics ? (await this.#metrics(checks)).trimEnd() : healthText(checks))
    if (flags.output !== undefined) {
      const { writeMetrics } = await import('../jobs/metrics-file.ts')
      await writeMetrics(flags.output, await this.#metrics(checks), flags)
    }
    return { level, checks }
  }

  /** A monitor wants to know at once that the server is away. */
  #ask<T>(action: (frame: Frame, options: HealthOptions) => Promise<T>, flags: HealthFlags): Promise<T> {
    return this.withContext(
      (frame) =>
        action(frame, {
          moved: [...(flags.warn ?? []), ...(flags.crit ?? [])],
          machine: { memoryBytes: flags['server-memory'], cores: flags['server-cpus'] },
          countsFolder: healthFolder(frame.settings.home),
          databaseFolder: databaseFolder(frame.settings.home),
        }),
      { flags: { patience: '0' } },
    )
  }

  #check(flags: HealthFlags): Promise<HealthCheck[]> {
    return this.#ask(async ({ context }, options) => {
      const { checkHealth } = await import('../database/health/index.ts')
      const checks = await context
        .database()
        .then((database) => checkHealth(database, options))
        .catch((error) => [failedCheck(error)])
      // A cache that is down is a check of its own, also beside a database that is down.
      const cache = await context.cache(() => {})
      return [...checks, ...cacheCheck(await cache.figures(), judgeBy(options.moved ?? []))]
    }, flags)
  }

  #suggest(flags: HealthFlags): Promise<SettingsAdvice> {
    return this.#ask(async ({ context }, options) => {
      const database = await context.database()
      const { adviseSettings } = await import('../database/health/index.ts')
      const advice = await adviseSettings(database, options)
      const day = new Date().toISOString().slice(0, 10)
      this.log(suggestionText(advice, { database: database.location, day }))
      return advice
    }, flags)
  }

  async #metrics(checks: readonly HealthCheck[]): Promise<string> {
    const { openMetrics } = await import('../terminal/open-metrics.ts')
    return openMetrics(checks)
  }
}
