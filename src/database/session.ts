import type postgres from 'postgres'
import { connectionIsLost, databaseError, patiently } from './errors.ts'

/**
 * A connection for this caller alone, until it is released. postgres.js 3.4.9 with `fetch_types` off never answers a
 * reserve() that has to open a connection first, so a question opens one.
 *
 * @throws RmbgError of family `database`
 */
export async function reserveConnection(sql: postgres.Sql): Promise<postgres.ReservedSql> {
  return patiently(async () => {
    await sql`select 1`
    return sql.reserve()
  })
}

/** Asks on one session, so that settings made on it hold for what follows. */
export async function withSession<T>(
  sql: postgres.Sql,
  ask: (session: postgres.ReservedSql) => Promise<T>,
): Promise<T> {
  const session = await reserveConnection(sql)
  let isLost = false
  try {
    return await ask(session)
  } catch (error) {
    isLost = connectionIsLost(databaseError(error))
    throw error
  } finally {
    if (!isLost) session.release()
  }
}
