import type postgres from 'postgres'
import type { RecordedBackup } from '../backups.ts'
import type { Database } from '../contract.ts'

/** `unknown`: withheld, because it could not be seen or not be trusted. */
export type HealthLevel = 'ok' | 'warn' | 'crit' | 'unknown'

export interface Metric {
  /** OpenMetrics: snake case, the unit last. */
  name: string
  value: number
  labels?: Record<string, string>
  help: string
}

export interface HealthCheck {
  /** Stable. */
  name: string
  level: HealthLevel
  /** One sentence. */
  summary: string
  /** What it is about, and what to do. */
  details: string[]
  metrics: Metric[]
  /** SQL that would show what is withheld. */
  grant?: string
}

export interface HealthContext {
  sql: postgres.Sql
  kind: Database['kind']
  /** Major release. */
  version: number
  /** The role may see other sessions and all settings. */
  seesAll: boolean
  grantMonitor: string
  lastBackup: RecordedBackup | undefined
  /** The machine, if the server runs on this one. */
  machine: { memoryBytes: number; cores: number } | undefined
}

export interface Look {
  name: string
  /** Makes no sense on the embedded database, which is one session in this process. */
  serverOnly?: true
  look: (context: HealthContext) => Promise<Omit<HealthCheck, 'name'>>
}

/** The level of a figure that is worse the larger it is. */
export const levelOf = (value: number, { warn, crit }: { warn: number; crit: number }): HealthLevel =>
  value >= crit ? 'crit' : value >= warn ? 'warn' : 'ok'

const order: HealthLevel[] = ['ok', 'unknown', 'warn', 'crit']

export const worst = (levels: readonly HealthLevel[]): HealthLevel =>
  levels.reduce((worse, level) => (order.indexOf(level) > order.indexOf(worse) ? level : worse), 'ok')
