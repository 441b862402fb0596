/**
 * Prepared statements live in a session. Behind a transaction pooler the next question may reach another one, which does
 * not know them (26000) or knows another of that name (42P05).
 */
import postgres from 'postgres'

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

interface Told {
  code?: string
  message?: string
  /** The function of the server that failed. */
  routine?: string
}

/**
 * Whether a statement was not executed because the session does not know it, or knows it as it was before a migration.
 * PgBouncer from 1.21 on says so itself.
 */
export const isUnknownStatement = ({ code, message = '' }: Told): boolean =>
  code === '26000' ||
  code === '42P05' ||
  (code === '0A000' && message.startsWith('cached plan must not change')) ||
  (code === '08P01' && /prepared statement/i.test(message))

/** Statements of the embedded database: their names begin with the number of a session (pglite-session.ts). */
const isEmbedded = ({ message = '' }: Told): boolean => /^prepared statement "\d+_/.test(message)

/**
 * postgres.js 3.4.9 prepares such a statement again by itself, which it knows by the routine. Good for the embedded
 * database, which forgets all statements when it is dumped. But a pool's sessions would be filled with statements, and
 * in a transaction it cannot help. So there the statement fails, and whoever asked asks again.
 */
Object.defineProperty(postgres.PostgresError.prototype, 'routine', {
  configurable: true, // the tests load this file twice in one process
  set(this: Told, routine: string) {
    const value = isUnknownStatement(this) && !isEmbedded(this) ? undefined : routine
    Object.defineProperty(this, 'routine', { value, enumerable: true, configurable: true, writable: true })
  },
})
