/** A transaction pooler, such as PgBouncer, between this program and the server: what it keeps and what it does not. */
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { patiently } from './errors.ts'
import { one } from './rows.ts'

/**
 * Whether a pooler answers. A server names the process of a session when it begins; a pooler, which has no such process,
 * makes a name up.
 *
 * @throws RmbgError of family `database`
 */
export async function answersThroughPooler(sql: postgres.Sql): Promise<boolean> {
  const { named, pid } = await namesOf(sql)
  return named !== pid
}

async function namesOf(sql: postgres.Sql): Promise<{ named: number; pid: number }> {
  // By the simple protocol: whatever stands in between understands it.
  const rows = await patiently(() => sql.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid'))
  return { named: rows.state.pid, pid: one(rows).pid }
}

/** As often as another client of the pool could come in between. */
const rounds = 5

/**
 * Whether two connections that are open at once are served by one session: a pooler with `pool_mode=transaction`, or
 * `statement`. One with `pool_mode=session` never does that.
 *
 * @param open a client of one connection
 */
export async function sharesSessions(
  open: () => { sql: postgres.Sql; close: () => Promise<void> },
): Promise<boolean> {
  const clients = [open(), open()] as const
  try {
    for (let round = 0; round < rounds; round++) {
      const first = await namesOf(clients[0].sql)
      if (first.named === first.pid) return false
      const second = await namesOf(clients[1].sql)
      if (first.pid === second.pid) return true
    }
    return false
  } finally {
    for (const client of clients) await client.close()
  }
}

/** What a database and its server are known by; null where this role may not ask. */
interface Identity {
  database: string
  oid: string
  system: string | null
  isStandby: boolean
  started: string
}

async function identityOf(sql: postgres.Sql): Promise<Identity> {
  const rows = await patiently(
    () => sql<(Identity & { mayAsk: boolean })[]>`
      select current_database() as database, d.oid::text, pg_is_in_recovery() as "isStandby",
        extract(epoch from pg_postmaster_start_time())::text as started,
        has_function_privilege('pg_control_system()', 'execute') as "mayAsk"
      from pg_database d where datname = current_database()`,
  )
  const { mayAsk, ...identity } = one(rows)
  if (!mayAsk) return { ...identity, system: null }
  const control = await patiently(
    () => sql<{ system: string }[]>`select system_identifier::text as system from pg_control_system()`,
  )
  return { ...identity, ...one(control) }
}

/**
 * Compares what two connections lead to. A standby of the same server holds the same database; two servers that both
 * write are two databases, even where one began as a copy of the other.
 *
 * @param pooled of DATABASE_URL
 * @param variable what the other one was named by, and `hint` what that has to lead to
 * @throws RmbgError REFUSED when they are not the same database
 */
export async function assertSameDatabase(
  pooled: { sql: postgres.Sql; location: string },
  direct: { sql: postgres.Sql; location: string },
  { variable, hint }: { variable: string; hint: string } = directWay,
): Promise<void> {
  const [one, other] = [await identityOf(pooled.sql), await identityOf(direct.sql)]
  const isSame =
    one.database === other.database &&
    one.oid === other.oid &&
    (one.system === null || other.system === null || one.system === other.system) &&
    (one.isStandby || other.isStandby || one.started === other.started)
  if (isSame) return
  throw new RmbgError(
    'REFUSED',
    `${variable} leads to another database than DATABASE_URL: ${direct.location}, not ${pooled.location}.`,
    { hint },
  )
}

const directWay = {
  variable: 'DATABASE_DIRECT_URL',
  hint: 'Both have to lead to the same database of the same server, one through the pooler and one without it.',
}

/** @param what needs a session, at the start of a sentence */
export const needsSession = (what: string, variable: string): RmbgError =>
  new RmbgError(
    'REFUSED',
    `${what} needs a session of its own, and ${variable} leads to a pooler that shares sessions.`,
    {
      hint: 'Set DATABASE_DIRECT_URL to a URL of the server itself, or of a pool with pool_mode=session.',
    },
  )
