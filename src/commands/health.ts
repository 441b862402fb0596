import * as Flags from '@oclif/core/flags'
import type { HealthCheck, HealthLevel } from '../database/health/contract.ts'
import { BaseCommand } from '../terminal/command.ts'
import { describeError } from '../terminal/error-text.ts'
import { exitStatus, healthStatus } from '../terminal/exit.ts'
import { cacheCheck, healthText, openMetrics, overallLevel } from '../terminal/texts/health-text.ts'

export interface HealthReport {
  level: HealthLevel
  checks: HealthCheck[]
}

export default class Health extends BaseCommand {
  static override summary = 'Check the health of the database.'
  static override description =
    `Prints one line for each check, and what to do where something is wrong. UNKNOWN means that your role may not see a figure, or that it cannot be trusted.

Exit status, that of the worst check: ${exitStatus.done} OK, ${exitStatus.healthWarn} WARN, ${exitStatus.healthCrit} CRIT (also when the database does not answer), ${exitStatus.healthUnknown} UNKNOWN. With --monitor: 0, 1, 2 and 3, as Nagios and its relatives expect.`
  static override examples = [
    '<%= config.bin %> health',
    '<%= config.bin %> health --monitor',
    '<%= config.bin %> health --openmetrics > /var/lib/node_exporter/rmbg.prom',
  ]
  static override baseFlags = {}
  static override enableJsonFlag = true
  static override flags = {
    openmetrics: Flags.boolean({ default: false, description: 'print OpenMetrics text for Prometheus' }),
    monitor: Flags.boolean({
      default: false,
      description: 'end with the exit status of a monitoring plugin (Nagios): 0 to 3',
    }),
  }

  async run(): Promise<HealthReport> {
    const { flags } = await this.parse(Health)
    const checks = await this.#check().catch((error) => [failedCheck(error)])
    this.log(flags.openmetrics ? openMetrics(checks) : healthText(checks))
    const level = overallLevel(checks)
    process.exitCode = healthStatus(level, flags)
    return { level, checks }
  }

  #check(): Promise<HealthCheck[]> {
    const atOnce = { patience: '0' } // a monitor wants to know that the server is away
    return this.withContext(
      async ({ context }) => {
        const { checkHealth } = await import('../database/health/index.ts')
        const database = await context.database()
        const cache = await context.cache((message) => this.logToStderr(message))
        return [...(await checkHealth(database)), ...cacheCheck(await cache.figures())]
      },
      { flags: atOnce },
    )
  }
}

/** A monitor knows four words only, and a database that does not answer is critical. */
function failedCheck(error: unknown): HealthCheck {
  const { code, message, hint } = describeError(error)
  return {
    name: 'database',
    level: code.startsWith('DATABASE_') ? 'crit' : 'unknown',
    summary: message,
    details: hint === undefined ? [] : [hint],
    metrics: [],
  }
}
