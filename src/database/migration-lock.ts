import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import type { MigrationLock, MigrationLockOptions, ServerDatabase } from './contract.ts'
import { databaseError } from './errors.ts'
import { advisoryHolder, thisCommand } from './locks.ts'
import { one } from './rows.ts'
import { reserveConnection } from './session.ts'

/** Any fixed number, the same in every release: migrators of one database meet at this lock. */
const lockKey = 7_262_671_401

/**
 * The lock of migrators is of a transaction that stays open and does nothing else: it needs no table, which a database
 * that was never migrated lacks, holds behind a transaction pooler, and ends with its process. Being idle and without a
 * snapshot, it is nothing that CREATE INDEX CONCURRENTLY waits for. Releases before held this number by a session.
 *
 * @param client of one connection, for this lock alone; it is closed with it
 */
export async function lockMigrations(
  client: Pick<ServerDatabase, 'sql' | 'close'>,
  { signal, onWaiting }: MigrationLockOptions,
): Promise<MigrationLock> {
  try {
    const connection = await reserveConnection(client.sql)
    for (let isWaiting = false; !(await tryLock(connection)); isWaiting = true) {
      if (!isWaiting) onWaiting?.(await holderText(connection))
      await sleep(200, undefined, signal && { signal })
    }
    return {
      assertHeld: async () => {
        await forgetSnapshot(connection).catch((cause) => Promise.reject(databaseError(cause)))
      },
      // The transaction ends with its connection.
      release: () => client.sql.end({ timeout: 0 }),
    }
  } catch (cause) {
    await client.sql.end({ timeout: 0 })
    if (signal?.aborted) throw signal.reason
    throw databaseError(cause)
  }
}

async function tryLock(connection: postgres.ReservedSql): Promise<boolean> {
  await connection`begin`
  const { locked } = one(
    await connection`
      select pg_try_advisory_xact_lock(${lockKey}::bigint) as locked,
        set_config('idle_in_transaction_session_timeout', '0', true),
        set_config('application_name', ${`${thisCommand()} (process ${process.pid} on ${hostname()})`}, true)`,
  )
  await (locked ? forgetSnapshot(connection) : connection`rollback`)
  return locked
}

/**
 * A statement of the extended protocol keeps its snapshot until the next one, and CREATE INDEX CONCURRENTLY would wait
 * for that. One of the simple protocol leaves none.
 */
const forgetSnapshot = (connection: postgres.ReservedSql) => connection.unsafe('select 1')

async function holderText(connection: postgres.ReservedSql): Promise<string> {
  const holder = await advisoryHolder(connection, lockKey)
  return holder ? `${holder.who}, since ${holder.since}` : 'it is just done'
}
