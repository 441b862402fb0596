import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import type { HealthCheck } from '../database/health/contract.ts'
import { describeError } from './error-text.ts'
import { size } from './flags.ts'
import { thresholdFlags } from './threshold-flags.ts'

const suggesting = 'SUGGEST'

export const healthFlags = {
  openmetrics: Flags.boolean({ default: false, description: 'print OpenMetrics text for Prometheus' }),
  output: Flags.string({
    ...{ char: 'o', helpValue: 'FILE' },
    description:
      'write OpenMetrics text to this file, as a whole or not at all, for the text collector of the node exporter',
    parse: async (input) => resolve(input),
  }),
  overwrite: Flags.boolean({
    description: 'also replace a file that holds no metrics of rmbg',
    dependsOn: ['output'],
  }),
  monitor: Flags.boolean({
    default: false,
    description: 'end with the exit status of a monitoring plugin (Nagios): 0 to 3',
  }),
  ...thresholdFlags,
  suggest: Flags.boolean({
    ...{ helpGroup: suggesting, default: false, exclusive: ['openmetrics', 'output', 'monitor'] },
    description: 'print lines for postgresql.conf where other values would fit better, each with its reason',
  }),
  'server-memory': size({
    helpGroup: suggesting,
    description: "memory of the server's machine, where it is not this one",
  }),
  'server-cpus': Flags.integer({
    ...{ helpGroup: suggesting, min: 1, helpValue: 'N' },
    description: "cores of the server's machine, where it is not this one",
  }),
}

export type HealthFlags = Interfaces.InferredFlags<typeof healthFlags>

/** A monitor knows four words only, and a database that does not answer is critical. */
export function failedCheck(error: unknown): HealthCheck {
  const { code, message, hint } = describeError(error)
  return {
    name: 'database',
    level: code.startsWith('DATABASE_') ? 'crit' : 'unknown',
    summary: message,
    details: hint === undefined ? [] : [hint],
    metrics: [],
  }
}
