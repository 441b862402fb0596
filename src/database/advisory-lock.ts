import type postgres from 'postgres'
import type { LockName } from './contract.ts'
import { databaseError } from './errors.ts'
import { one } from './rows.ts'
import { reserveConnection } from './session.ts'

/** Any fixed numbers, the same in every release. */
const keys: Record<LockName, number> = { prune: 7_262_671_403, backup: 7_262_671_404 }

/**
 * A lock on a server. It ends with its connection, and so with the process.
 *
 * @returns releases it; undefined when another process has it
 * @throws RmbgError of family `database`
 */
export async function tryAdvisoryLock(
  sql: postgres.Sql,
  name: LockName,
): Promise<(() => Promise<void>) | undefined> {
  try {
    const connection = await reserveConnection(sql)
    const { locked } = one(await connection`select pg_try_advisory_lock(${keys[name]}) as locked`)
    if (!locked) {
      connection.release()
      return undefined
    }
    return async () => {
      try {
        await connection`select pg_advisory_unlock(${keys[name]})`
        connection.release()
      } catch {
        // The connection is gone, and the lock with it; see connectionIsLost().
      }
    }
  } catch (cause) {
    throw databaseError(cause)
  }
}
