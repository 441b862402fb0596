import { RmbgError } from '../errors.ts'
import type { Lock, LockName, ServerDatabase } from './contract.ts'
import { databaseError } from './errors.ts'
import { advisoryHolder, earlierKeys, holderOf, lockedBy } from './locks.ts'
import { one } from './rows.ts'
import { reserveConnection } from './session.ts'

/**
 * A lock for a role that may only read, on a standby, or in a database from before the table of locks: none of them can
 * have a row. It ends with its session, and those who take a row look for it.
 *
 * @param client of one connection that is a session of its own, for this lock alone; it is closed with it
 * @throws RmbgError REFUSED naming who has it
 */
export async function takeSessionLock(client: ServerDatabase, name: LockName): Promise<Lock> {
  const key = earlierKeys[name]
  const release = () => client.sql.end({ timeout: 0 })
  try {
    const holder = await holderOf(client.sql, name).catch(unlessMissing)
    if (holder) throw lockedBy(holder)
    const connection = await reserveConnection(client.sql)
    const { locked } = one(await connection`select pg_try_advisory_lock(${key}::bigint) as locked`)
    if (locked) {
      return {
        id: undefined,
        assertHeld: async () => {
          await connection`select 1`.catch((cause) => Promise.reject(databaseError(cause)))
        },
        release,
      }
    }
    const other = await advisoryHolder(connection, key)
    throw lockedBy({
      who: `Another rmbg (${other?.who ?? 'just ended'})`,
      since: other?.since ?? 'this moment',
    })
  } catch (cause) {
    await release()
    throw databaseError(cause)
  }
}

/** A database from before the table of locks has no holder in it. */
function unlessMissing(error: unknown): undefined {
  if (!(error instanceof RmbgError) || error.code !== 'DATABASE_NOT_MIGRATED') throw error
  return undefined
}
