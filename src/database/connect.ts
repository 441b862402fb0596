import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import type { Dump, Lock, LockName, ServerDatabase } from './contract.ts'
import { databaseError, withDatabase } from './errors.ts'
import { takeLock } from './locks.ts'
import { loginSockets } from './login-socket.ts'
import { lockMigrations } from './migration-lock.ts'
import { restoreDatabase } from './pg-tools.ts'
import { restorePlain } from './plain-dump.ts'
import { answersThroughPooler, assertSameDatabase, needsSession, sharesSessions } from './pooler.ts'
import { doNotPrepare, mayPrepare } from './prepared.ts'
import { one } from './rows.ts'
import { takeSessionLock } from './session-lock.ts'
import { openServerSnapshot } from './snapshot.ts'

export interface ServerOptions {
  maxConnections?: number
  /** A URL of the same database that leads past its pooler, for what needs a session of its own. */
  directUrl?: string
  /** Each connection is known to be a session of its own. */
  isDirect?: boolean
  /** False: no statement is prepared, whatever answers. */
  prepares?: boolean
}

/**
 * Connects to a PostgreSQL server, lazily: an unreachable server shows at the first query.
 *
 * @param url `postgres://user:password@host:port/database?sslmode=verify-full`. In the query string `prepare=false` or
 *   `pgbouncer=true` is for poolers that cannot keep prepared statements; `prepare=true` keeps them even there.
 *   Authorities besides the public ones: NODE_EXTRA_CA_CERTS
 * @throws RmbgError DATABASE_UNAVAILABLE when the URL is no PostgreSQL URL
 */
export function connectServer(
  url: string,
  { maxConnections = 10, directUrl, isDirect = false, prepares = true }: ServerOptions = {},
): ServerDatabase {
  if (!isPostgresUrl(url)) {
    throw new RmbgError('DATABASE_UNAVAILABLE', 'DATABASE_URL is not a PostgreSQL URL.', {
      hint: 'It looks like postgres://user:password@host:5432/database; encode special characters in the password.',
    })
  }
  const { protocol, host, pathname } = new URL(url)
  const { sql, prepare } = openClient(url, maxConnections)
  if (!prepares) doNotPrepare(sql)
  const forget = mayPrepare(sql)
  const location = `${protocol}//${host}${pathname}`
  let pooled: Promise<boolean> | undefined
  const isPooled = () => {
    pooled ??= recognisePooler(sql, prepare).catch((error) => {
      pooled = undefined // to be asked again
      throw error
    })
    return pooled
  }
  let compared: Promise<void> | undefined
  const direct = async (what: string): Promise<string> => {
    if (isDirect) return url
    if (directUrl === undefined) {
      if (await isPooled()) throw needsSession(what, 'DATABASE_URL')
      return url
    }
    compared ??= assertIsDirect({ sql, location }, directUrl, what)
    await compared
    return directUrl
  }
  const openDirect = async (what: string, connections: number) =>
    connectServer(await direct(what), { maxConnections: connections, isDirect: true })
  return {
    kind: 'server',
    sql,
    location,
    origin: () => originOf(sql),
    restores: ['custom', 'plain'],
    flush: async () => {},
    isPooled,
    direct: (what) => openDirect(what, maxConnections),
    lock: (name) => lock(sql, name, () => openDirect('A lock of a role that may only read', 1)),
    lockMigrations: (options) =>
      lockMigrations(connectServer(url, { maxConnections: 1, prepares: false }), options),
    useAlone: async () => {},
    openSnapshot: async () => {
      const session = await direct('pg_dump')
      return openServerSnapshot(connectServer(session, { maxConnections: 1, isDirect: true }), session)
    },
    restore: async (dump) => restore(sql, await direct('pg_restore'), dump),
    openScratch: async () => {
      const session = await direct('A drill')
      return openScratch(connectServer(session, { maxConnections: 2, isDirect: true }), session)
    },
    close: async () => {
      forget()
      await sql.end({ timeout: 5 })
    },
  }
}

/** Asked before anything is prepared: the pooler would keep it in a session that others get. */
async function recognisePooler(sql: postgres.Sql, prepare: boolean | undefined): Promise<boolean> {
  const isPooled = await answersThroughPooler(sql)
  if (isPooled && prepare === undefined) doNotPrepare(sql)
  return isPooled
}

async function assertIsDirect(
  pooled: Pick<ServerDatabase, 'sql' | 'location'>,
  directUrl: string,
  what: string,
): Promise<void> {
  const open = () => connectServer(directUrl, { maxConnections: 1 })
  if (await sharesSessions(open)) throw needsSession(what, 'DATABASE_DIRECT_URL')
  const direct = open()
  try {
    await assertSameDatabase(pooled, direct)
  } finally {
    await direct.close()
  }
}

async function lock(
  sql: postgres.Sql,
  name: LockName,
  openSession: () => Promise<ServerDatabase>,
): Promise<Lock> {
  try {
    return await takeLock(sql, name)
  } catch (error) {
    if (!(error instanceof RmbgError) || error.code !== 'DATABASE_DENIED') throw error
    return takeSessionLock(await openSession(), name)
  }
}

function isPostgresUrl(url: string): boolean {
  try {
    decodeURIComponent(url)
    return /^postgres(ql)?:$/.test(new URL(url).protocol)
  } catch {
    return false
  }
}

/** @returns also whether statements are prepared, where the URL says so */
function openClient(
  url: string,
  maxConnections: number,
): { sql: postgres.Sql; prepare: boolean | undefined } {
  const parsed = new URL(url)
  const asked = parsed.searchParams.get('prepare')
  const prepare =
    asked !== null ? asked !== 'false' : parsed.searchParams.get('pgbouncer') ? false : undefined
  // The rest are settings that the server would be asked to apply.
  for (const ours of ['prepare', 'pgbouncer']) parsed.searchParams.delete(ours)
  const name = decodeURIComponent(parsed.pathname.slice(1))
  const sql = postgres(parsed.href, {
    ...(name !== '' && { database: name }), // postgres.js 3.4.9 decodes user and password only
    max: maxConnections,
    prepare: prepare ?? true,
    connect_timeout: 10,
    socket: loginSockets(),
    // withDatabase() retries by itself; the default of postgres.js would end up at one try every 20 s.
    backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
    // Asked for unawaited by postgres.js: a connection lost during it would end the process. Lists travel as JSON.
    fetch_types: false,
    // One statement at a time: postgres.js describes one before it sends its parameters, and where another is under way
    // PgBouncer 1.18 takes the connection for idle meanwhile, and the answer is lost.
    max_pipeline: 0,
    onnotice: () => {},
    connection: { application_name: 'rmbg' },
  } as postgres.Options<Record<string, never>>) as postgres.Sql
  return { sql, prepare }
}

/** A copy on the same server has another oid, and one on another server another system identifier. */
async function originOf(sql: postgres.Sql): Promise<string> {
  const { oid, mayAsk } = one(
    await withDatabase(
      () => sql<{ oid: string; mayAsk: boolean }[]>`
        select oid::text, has_function_privilege('pg_control_system()', 'execute') as "mayAsk"
        from pg_database where datname = current_database()`,
    ),
  )
  if (!mayAsk) return `server/?/${oid}`
  const { id } = one(
    await withDatabase(
      () => sql<{ id: string }[]>`select system_identifier::text as id from pg_control_system()`,
    ),
  )
  return `server/${id}/${oid}`
}

async function restore(sql: postgres.Sql, url: string, { format, version, open }: Dump): Promise<void> {
  if (format === 'plain') return restorePlain(sql, await open())
  const server = one(
    await withDatabase(
      () => sql`
        select current_setting('server_version_num')::integer / 10000 as version, current_database() as name`,
    ),
  )
  const serverMajor = Math.max(server.version, version)
  await restoreDatabase(url, await open(), { serverMajor, database: server.name })
}

const scratchPrefix = 'rmbg_drill_'

/** @param server for this alone; it is closed with the trial database */
async function openScratch(server: ServerDatabase, url: string): Promise<ServerDatabase> {
  const { sql } = server
  const drop = (name: string) => withDatabase(() => sql`drop database if exists ${sql(name)}`)
  const name = `${scratchPrefix}${randomBytes(6).toString('hex')}`
  try {
    const left = await withDatabase(
      () => sql<{ name: string }[]>`
        select datname as name from pg_database d where datname like ${`${scratchPrefix}%`}
          and not exists (select from pg_stat_activity a where a.datid = d.oid)`,
    )
    for (const { name } of left) await drop(name)
    await sql`create database ${sql(name)} template template0`.catch((cause) =>
      Promise.reject(mayNotCreate(cause)),
    )
  } catch (error) {
    await server.close()
    throw error
  }
  const scratch = connectServer(urlOf(url, name), { maxConnections: 2, isDirect: true })
  return {
    ...scratch,
    close: async () => {
      await scratch.close()
      await drop(name)
      await server.close()
    },
  }
}

function mayNotCreate(cause: unknown): RmbgError {
  const error = databaseError(cause)
  if (error.code !== 'DATABASE_DENIED') return error
  return new RmbgError('DATABASE_DENIED', 'A drill creates a database, and this role may not.', {
    hint: 'ALTER ROLE … CREATEDB, or drill with another role in DATABASE_URL.',
    cause,
  })
}

/** The URL of another database on the same server. */
function urlOf(url: string, name: string): string {
  const target = new URL(url)
  target.pathname = `/${encodeURIComponent(name)}`
  return target.href
}

/**
 * Creates a database on the same server unless it is there.
 *
 * @returns its URL
 * @throws RmbgError of family `database`
 */
export async function ensureDatabase(url: string, name: string): Promise<string> {
  const server = connectServer(url, { maxConnections: 1 })
  try {
    const { found } = one(
      await withDatabase(
        () => server.sql`select exists (select from pg_database where datname = ${name}) as found`,
      ),
    )
    if (!found) await server.sql`create database ${server.sql(name)}`
  } catch (cause) {
    throw databaseError(cause)
  } finally {
    await server.close()
  }
  return urlOf(url, name)
}
