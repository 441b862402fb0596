import type { ErrorFamily } from '../errors.ts'

/** Every exit status of every command, in one table; README and `rmbg --help` quote it. */
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
