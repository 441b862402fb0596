import type postgres from 'postgres'
import type { RecordedBackup } from '../backups.ts'
import type { Database } from '../contract.ts'
import type { BlockCounts } from './last-look.ts'
import type { Judge, MovedThreshold } from './thresholds.ts'

/** `unknown`: withheld, because it could not be seen or not be trusted. */
export type HealthLevel = 'ok' | 'warn' | 'crit' | 'unknown'

export interface Metric {
  /** OpenMetrics: snake case, the unit last; that of a counter ends in `_total`. */
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
  /** No role could see it from here: it is said, and counts for no exit status. */
  unseen?: true
}

/** The machine of the server. */
export interface Machine {
  memoryBytes: number | undefined
  cores: number | undefined
}

export interface HealthContext {
  sql: postgres.Sql
  kind: Database['kind']
  /** Major release. */
  version: number
  /** The server replays the WAL of another one. */
  isStandby: boolean
  /** The role may see other sessions and all settings. */
  seesAll: boolean
  /** As SQL writes it. */
  role: string
  grantMonitor: string
  lastBackup: RecordedBackup | undefined
  /** The server runs on this machine. */
  isHere: boolean
  machine: Machine
  judge: Judge
  moved: readonly MovedThreshold[]
  /** What was counted when somebody looked last, and keeps what is counted now. */
  blocks: BlockCounts | undefined
  /** Of an embedded database. */
  folder: string
}

export interface Look {
  name: string
  /** Makes no sense on the embedded database, which is one session in this process. */
  serverOnly?: true
  /** A standby has no figures of its own for it. */
  primaryOnly?: true
  look: (context: HealthContext) => Promise<Omit<HealthCheck, 'name'>>
}

/** A check that found nothing to look at, or one thing to say. */
export const fine = (summary: string): Omit<HealthCheck, 'name'> => ({
  ...{ level: 'ok', summary, details: [], metrics: [] },
})

const order: HealthLevel[] = ['ok', 'unknown', 'warn', 'crit']

export const worst = (levels: readonly HealthLevel[]): HealthLevel =>
  levels.reduce((worse, level) => (order.indexOf(level) > order.indexOf(worse) ? level : worse), 'ok')
