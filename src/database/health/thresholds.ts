/** Where a figure starts to be a warning, and where it is critical. `--warn` and `--crit` move these. */
import type { HealthLevel } from './contract.ts'

export type ThresholdUnit = 'percent' | 'seconds' | 'bytes' | 'number'

export interface Threshold {
  unit: ThresholdUnit
  warn: number
  crit: number
  /** The smaller the figure, the worse. */
  isFloor?: true
  /** What is compared, for people. */
  what: string
}

const never = Number.POSITIVE_INFINITY
const minute = 60
const hour = 3600
const day = 24 * hour

/** docs/database.md#health shows them all. */
export const thresholds = {
  connections: { unit: 'percent', warn: 80, crit: 95, what: 'connections in use, of those there are' },
  query: { unit: 'seconds', warn: minute, crit: 2 * hour, what: 'age of a running query' },
  'idle-transaction': {
    ...{ unit: 'seconds', warn: minute, crit: 10 * minute },
    what: 'how long a transaction is idle',
  },
  'lock-wait': { unit: 'seconds', warn: 5, crit: 5 * minute, what: 'how long a query waits for a lock' },
  'prepared-transaction': {
    ...{ unit: 'seconds', warn: 5 * minute, crit: hour },
    what: 'age of a prepared transaction',
  },
  'slot-wal': { unit: 'bytes', warn: 1e9, crit: 10e9, what: 'WAL that a replication slot keeps' },
  'standby-lag': { unit: 'seconds', warn: minute, crit: 10 * minute, what: 'how far a standby is behind' },
  'standby-lag-bytes': { unit: 'bytes', warn: 1e9, crit: 10e9, what: 'the same, as WAL not replayed' },
  'archive-age': {
    ...{ unit: 'seconds', warn: hour, crit: never },
    what: 'age of the last archived WAL segment',
  },
  'backup-age': { unit: 'seconds', warn: 26 * hour, crit: 7 * day, what: 'age of the last backup' },
  'cache-hits': {
    ...{ unit: 'percent', warn: 99, crit: 90, isFloor: true },
    what: 'blocks found in shared_buffers',
  },
  'dead-rows': { unit: 'percent', warn: 20, crit: 100, what: 'dead rows of a table, of its live ones' },
  bloat: { unit: 'percent', warn: 40, crit: 60, what: 'empty room in a table or an index' },
  'index-waste': { unit: 'bytes', warn: 1e9, crit: never, what: 'indexes never used or covered by others' },
  'transaction-age': {
    ...{ unit: 'percent', warn: 20, crit: 70 },
    what: 'oldest transaction, of what can be counted',
  },
  sequence: { unit: 'percent', warn: 70, crit: 90, what: 'values of a sequence that are used up' },
  queue: { unit: 'number', warn: 1e6, crit: 1e7, what: 'rows that wait to be counted in the statistics' },
  'disk-free': { unit: 'percent', warn: 15, crit: 5, isFloor: true, what: 'free disk of the database' },
  statement: { unit: 'seconds', warn: 1, crit: 10, what: 'mean time of a statement of this program' },
  'redis-memory': { unit: 'percent', warn: 90, crit: never, what: 'memory of Redis, of its maxmemory' },
} as const satisfies Record<string, Threshold>

export type ThresholdName = keyof typeof thresholds

/** A level that was moved; infinite or below zero: switched off. */
export interface MovedThreshold {
  name: ThresholdName
  level: 'warn' | 'crit'
  value: number
}

/** The level of a figure, in the unit of its threshold. */
export type Judge = (name: ThresholdName, value: number) => HealthLevel

/** How a figure stands to its threshold. */
export function judgeBy(moved: readonly MovedThreshold[]): Judge {
  return (name, value) => {
    const threshold: Threshold = thresholds[name]
    const limit = (level: 'warn' | 'crit') =>
      moved.findLast((one) => one.name === name && one.level === level)?.value ?? threshold[level]
    const isBeyond = (level: 'warn' | 'crit') =>
      threshold.isFloor ? value < limit(level) : value >= limit(level)
    return isBeyond('crit') ? 'crit' : isBeyond('warn') ? 'warn' : 'ok'
  }
}

/** The figure from which on the level is not `ok`. */
export const firstLimit = (moved: readonly MovedThreshold[], name: ThresholdName): number => {
  const limits = (['warn', 'crit'] as const).map(
    (level) =>
      moved.findLast((one) => one.name === name && one.level === level)?.value ?? thresholds[name][level],
  )
  return Math.min(...limits)
}
