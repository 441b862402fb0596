import { RmbgError } from '../errors.ts'
import { type LockHolder, lockHolder, type ServerAddress, takeLock } from '../system/lock.ts'

const locksOf = (folder: string): string => `${folder}.lock`

/** The process that has the embedded database in a folder, if there is one that may be alive. */
export const folderHolder = (folder: string): Promise<LockHolder | undefined> => lockHolder(locksOf(folder))

/**
 * Takes the folder of an embedded database for this process alone: PGlite itself takes no lock, and two processes on one
 * folder silently lose rows.
 *
 * @param server where this process serves the database to others
 * @returns releases the lock
 * @throws RmbgError DATABASE_LOCKED naming the process that has it and since when
 */
export function lockFolder(folder: string, server?: ServerAddress): Promise<() => Promise<void>> {
  return takeLock(locksOf(folder), (holder) => folderLocked(folder, holder), server)
}

/**
 * The error for a database that another process has.
 *
 * @param why what keeps this process from using it together with that one, as a part of a sentence
 */
export function folderLocked(folder: string, holder: LockHolder | undefined, why?: string): RmbgError {
  const who = holder
    ? ` by "${holder.command}", process ${holder.pid}, since ${holder.since}`
    : ' by another process'
  const reason = why === undefined ? '' : `, ${why}`
  return new RmbgError('DATABASE_LOCKED', `The embedded database in ${folder} is in use${who}${reason}.`, {
    hint: `Wait for that process, or set DATABASE_URL to a PostgreSQL server. Only if it is certainly gone (another machine or container): delete ${locksOf(folder)}.`,
  })
}
