import { RmbgError } from '../errors.ts'
import { takeLock } from '../system/lock.ts'

/**
 * Takes the folder of an embedded database for this process alone: PGlite itself takes no lock, and two processes on one
 * folder silently lose rows.
 *
 * @returns releases the lock
 * @throws RmbgError DATABASE_LOCKED naming the process that has it and since when
 */
export function lockFolder(folder: string): Promise<() => Promise<void>> {
  const locks = `${folder}.lock`
  return takeLock(locks, (holder) => {
    const who = holder
      ? ` by "${holder.command}", process ${holder.pid}, since ${holder.since}`
      : ' by another process'
    return new RmbgError('DATABASE_LOCKED', `The embedded database in ${folder} is in use${who}.`, {
      hint: `It serves one process at a time: wait for that one, or set DATABASE_URL to a PostgreSQL server. Only if that process is certainly gone (another machine or container): delete ${locks}.`,
    })
  })
}
