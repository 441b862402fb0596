import { type Database, reserveConnection } from './connect.ts'
import { databaseError } from './errors.ts'

/** Any fixed numbers, the same in every release. */
const keys = { prune: 7_262_671_403, backup: 7_262_671_404 }

/**
 * Makes sure that one process at a time does a thing with this database. On a server the lock ends with its connection,
 * and so with the process; the embedded database has one process anyway.
 *
 * @returns releases it; undefined when somebody else has it
 */
export async function tryLock(
  { kind, sql }: Database,
  what: keyof typeof keys,
): Promise<(() => Promise<void>) | undefined> {
  if (kind === 'embedded') return async () => {}
  try {
    const connection = await reserveConnection(sql)
    const [row] = await connection`select pg_try_advisory_lock(${keys[what]}) as locked`
    if (!row!.locked) {
      connection.release()
      return undefined
    }
    return async () => {
      try {
        await connection`select pg_advisory_unlock(${keys[what]})`
        connection.release()
      } catch {
        // The connection is gone, and the lock with it; see connectionIsLost().
      }
    }
  } catch (cause) {
    throw databaseError(cause)
  }
}
