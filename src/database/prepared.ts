/**
 * Prepared statements live in a session. Behind a transaction pooler the next question may reach another one, which does
 * not know them (26000) or knows another of that name (42P05).
 */
import type postgres from 'postgres'

/** Clients of this process: what a statement is asked through is hidden in a closure where its failure is seen. */
const clients = new Set<postgres.Sql>()

/** From here on `stopPreparing` reaches this client. @returns ends that */
export function mayPrepare(sql: postgres.Sql): () => void {
  clients.add(sql)
  return () => void clients.delete(sql)
}

/** Every later statement of this client is sent whole. */
export function doNotPrepare(sql: postgres.Sql): void {
  sql.options.prepare = false // looked at for each statement by postgres.js 3.4.9
}

/** No client of this process prepares a statement from here on. */
export function stopPreparing(): void {
  for (const sql of clients) doNotPrepare(sql)
}

/** Whether a statement was not executed because the session does not know it. PgBouncer from 1.21 on says so itself. */
export const isUnknownStatement = ({ code, message }: { code?: string; message?: string }): boolean =>
  code === '26000' || code === '42P05' || (code === '08P01' && /prepared statement/i.test(message ?? ''))
