import type { ServerDatabase, Snapshot } from './contract.ts'
import { localeOf } from './database-locale.ts'
import { databaseError } from './errors.ts'
import { foreignRelations, ownNames, ownObjects } from './own-objects.ts'
import { dumpDatabase } from './pg-tools.ts'
import { one } from './rows.ts'
import type { Server } from './server/resolve.ts'
import { reserveConnection } from './session.ts'

/**
 * A snapshot of a server: a transaction that only reads, and that pg_dump joins.
 *
 * @param client of one connection, for this snapshot alone; it is closed with it
 * @param server the same database
 */
export async function openServerSnapshot(client: ServerDatabase, server: Server): Promise<Snapshot> {
  try {
    const connection = await reserveConnection(client.sql)
    await connection`begin isolation level repeatable read, read only`
    // A dump takes as long as it takes, and the transaction is idle meanwhile.
    const { id, version, now } = one(
      await connection`
        select pg_export_snapshot() as id, current_setting('server_version_num')::integer / 10000 as version,
          extract(epoch from now())::float8 * 1000 as now,
          set_config('statement_timeout', '0', false),
          set_config('idle_in_transaction_session_timeout', '0', false)`,
    )
    const names = await ownNames()
    const own = await ownObjects(connection, names)
    const foreign = await foreignRelations(connection, own, names)
    return {
      connection,
      createdAt: new Date(now),
      version,
      format: 'custom',
      needs: { ...own, locale: await localeOf(connection) },
      dump: () => dumpDatabase(server, { serverMajor: version, snapshot: id, own, foreign }),
      // The transaction only reads; it ends with its session.
      close: () => client.sql.end({ timeout: 0 }),
    }
  } catch (cause) {
    await client.close()
    throw databaseError(cause)
  }
}
