import type postgres from 'postgres'
import { connectServer, type Database, reserveConnection } from '../database/connect.ts'
import { databaseError } from '../database/errors.ts'

/** One session that sees the database as it was at one moment. */
export interface Snapshot {
  connection: postgres.Sql
  /** For pg_dump; absent on the embedded database, which nobody else can change meanwhile. */
  id: string | undefined
  /** Of the moment. */
  createdAt: Date
  /** Major release. */
  version: number
  close(): Promise<void>
}

/** @param databaseUrl absent: embedded */
export async function openSnapshot(database: Database, databaseUrl: string | undefined): Promise<Snapshot> {
  if (databaseUrl === undefined) {
    const [row] = await database.sql`
      select current_setting('server_version_num')::integer / 10000 as version`
    return {
      connection: database.sql,
      id: undefined,
      createdAt: new Date(),
      version: row!.version,
      close: async () => {},
    }
  }
  const client = connectServer(databaseUrl, { maxConnections: 1 })
  try {
    const connection = await reserveConnection(client.sql)
    await connection`begin isolation level repeatable read, read only`
    // A dump takes as long as it takes.
    const [row] = await connection`
      select pg_export_snapshot() as id, current_setting('server_version_num')::integer / 10000 as version,
        extract(epoch from now())::float8 * 1000 as now,
        set_config('statement_timeout', '0', false),
        set_config('idle_in_transaction_session_timeout', '0', false)`
    return {
      connection,
      id: row!.id,
      createdAt: new Date(row!.now),
      version: row!.version,
      close: async () => {
        // The transaction only read; ending the session ends it.
        await client.sql.end({ timeout: 0 })
      },
    }
  } catch (cause) {
    await client.close()
    throw databaseError(cause)
  }
}
