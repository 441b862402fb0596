import type { HealthLevel } from '../database/health/contract.ts'
import type { ErrorFamily } from '../errors.ts'

/** Every exit status of every command, in one table; docs/ci.md and `rmbg --help` quote it. */
export const exitStatus = {
  done: 0,
  unexpected: 1,
  usage: 2,
  imagesFailed: 3,
  database: 4,
  store: 5,
  model: 6,
  migrationsPending: 7,
  reviewNeeded: 8,
  healthWarn: 10,
  healthCrit: 11,
  healthUnknown: 12,
  interrupted: 130,
  terminated: 143,
} as const

export const exitStatusOfFamily: Record<ErrorFamily, number> = {
  usage: exitStatus.usage,
  image: exitStatus.imagesFailed,
  database: exitStatus.database,
  store: exitStatus.store,
  model: exitStatus.model,
}

/** As Nagios, Icinga and their plugins understand it. */
const monitorStatus: Record<HealthLevel, number> = { ok: 0, warn: 1, crit: 2, unknown: 3 }

const statusOfLevel: Record<HealthLevel, number> = {
  ok: exitStatus.done,
  warn: exitStatus.healthWarn,
  crit: exitStatus.healthCrit,
  unknown: exitStatus.healthUnknown,
}

/**
 * The exit status of a health check (`rmbg health`, `rmbg wal`).
 *
 * @param options.monitor 0 to 3, as monitoring plugins end; they mean something else in the table above
 */
export const healthStatus = (level: HealthLevel, { monitor }: { monitor: boolean }): number =>
  (monitor ? monitorStatus : statusOfLevel)[level]
