import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { chosenEntries } from './archive-entries.ts'
import type { Dump, Lock, LockName, ScratchRoom, ServerDatabase } from './contract.ts'
import { createDatabase, type DatabaseLocale, localeOf } from './database-locale.ts'
import { databaseError, withDatabase } from './errors.ts'
import { ensureSurroundings } from './extensions.ts'
import { closeFunctions } from './grants.ts'
import { localDataFolder } from './indexes.ts'
import { takeLock } from './locks.ts'
import { lockMigrations } from './migration-lock.ts'
import { ownBytes } from './own-bytes.ts'
import { ownNames } from './own-objects.ts'
import { restoreDatabase } from './pg-tools.ts'
import { restorePlain } from './plain-dump.ts'
import { answersThroughPooler, assertSameDatabase, needsSession, sharesSessions } from './pooler.ts'
import { doNotPrepare, mayPrepare } from './prepared.ts'
import { one } from './rows.ts'
import { openClient } from './server/client.ts'
import { locationOf, resolveServer, type Server } from './server/resolve.ts'
import { takeSessionLock } from './session-lock.ts'
import { openServerSnapshot } from './snapshot.ts'

export interface ServerOptions {
  /** How many connections at most; by default what the URL says, or ten. */
  maxConnections?: number | undefined
  /** A URL of the same database that leads past its pooler, for what needs a session of its own. */
  directUrl?: string | undefined
  /** Each connection is known to be a session of its own. */
  isDirect?: boolean
}

/** What is assumed of nobody who said otherwise. */
const defaultConnections = 10
/** A command may hold one for a lock, and needs another one to work. */
const fewestConnections = 2

/**
 * Connects to a PostgreSQL server, lazily: an unreachable server shows at the first query.
 *
 * @param url as libpq and providers write it, `postgres://user:password@host:port/database?sslmode=verify-full`; what
 *   it leaves out, libpq's variables and files say (docs/database.md). Authorities besides the public ones:
 *   sslrootcert, or NODE_EXTRA_CA_CERTS
 * @throws RmbgError DATABASE_UNAVAILABLE when the URL is no PostgreSQL URL; CONFIG_INVALID when a parameter is unknown
 *   or cannot be honored
 */
export function connectServer(url: string, { directUrl, ...options }: ServerOptions = {}): ServerDatabase {
  const direct = directUrl === undefined ? undefined : resolveServer(directUrl)
  return connectTo(resolveServer(url), { ...options, direct })
}

interface ConnectOptions extends Omit<ServerOptions, 'directUrl'> {
  direct?: Server | undefined
  /** False: no statement is prepared, whatever answers. */
  prepares?: boolean
}

function connectTo(
  server: Server,
  { maxConnections, direct: other, isDirect = false, prepares = true }: ConnectOptions,
): ServerDatabase {
  const ofUrl = server.maxConnections && Math.max(server.maxConnections, fewestConnections)
  const sql = openClient(server, {
    maxConnections: maxConnections ?? ofUrl ?? defaultConnections,
    prepare: prepares && server.prepare !== false,
  })
  const forget = mayPrepare(sql)
  const location = locationOf(server)
  let pooled: Promise<boolean> | undefined
  const isPooled = () => {
    pooled ??= recognisePooler(sql, server.prepare).catch((error) => {
      pooled = undefined // to be asked again
      throw error
    })
    return pooled
  }
  let compared: Promise<void> | undefined
  const direct = async (what: string): Promise<Server> => {
    if (isDirect) return server
    if (other === undefined) {
      if (await isPooled()) throw needsSession(what, 'DATABASE_URL')
      return server
    }
    compared ??= assertIsDirect({ sql, location }, other, what)
    await compared
    return other
  }
  const openDirect = async (what: string, connections: number | undefined) =>
    connectTo(await direct(what), { maxConnections: connections, isDirect: true })
  return {
    kind: 'server',
    sql,
    location,
    origin: () => originOf(sql),
    restores: ['custom', 'plain'],
    flush: async () => {},
    isPooled,
    direct: (what) => openDirect(what, maxConnections),
    lock: (name) => lock(sql, name, () => openDirect('A lock without a row of its own', 1)),
    lockMigrations: (options) =>
      lockMigrations(connectTo(server, { maxConnections: 1, prepares: false }), options),
    useAlone: async () => {},
    openSnapshot: async () => {
      const session = await direct('pg_dump')
      return openServerSnapshot(connectTo(session, { maxConnections: 1, isDirect: true }), session)
    },
    restore: async (dump) => restore(sql, await direct('pg_restore'), dump),
    checkScratch: () => checkScratch(sql),
    openScratch: async () => {
      const session = await direct('A drill')
      return openScratch(connectTo(session, { maxConnections: 2, isDirect: true }), session)
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
  server: Server,
  what: string,
): Promise<void> {
  const open = () => connectTo(server, { maxConnections: 1 })
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
    const hasNoRow = ['DATABASE_DENIED', 'DATABASE_NOT_MIGRATED'].includes((error as RmbgError).code)
    if (!hasNoRow) throw error
    return takeSessionLock(await openSession(), name)
  }
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

async function restore(
  sql: postgres.Sql,
  at: Server,
  { format, version, needs, grants, open }: Dump,
): Promise<void> {
  const names = await ownNames()
  if (format === 'plain') {
    const extensions = [...(names.get('EXTENSION') ?? [])].map((name) => ({ name, schema: 'public' }))
    await ensureSurroundings(sql, { schemas: [], extensions })
    await restorePlain(sql, await open())
    return closeFunctions(sql)
  }
  if (needs) await ensureSurroundings(sql, needs)
  const server = one(
    await withDatabase(
      () => sql`
        select current_setting('server_version_num')::integer / 10000 as version, current_database() as name`,
    ),
  )
  const serverMajor = Math.max(server.version, version)
  await restoreDatabase({ ...at, database: server.name }, open, {
    serverMajor,
    choose: (list) => chosenEntries(list, { names, grants, ownOnly: needs !== undefined }),
  })
  await closeFunctions(sql)
}

const scratchPrefix = 'rmbg_drill_'

/** @param client for this alone; it is closed with the trial database */
async function openScratch(client: ServerDatabase, server: Server): Promise<ServerDatabase> {
  const { sql } = client
  const drop = (name: string) => withDatabase(() => sql`drop database if exists ${sql(name)}`)
  const name = `${scratchPrefix}${randomBytes(6).toString('hex')}`
  let session: Server['session']
  try {
    const left = await withDatabase(
      () => sql<{ name: string }[]>`
        select datname as name from pg_database d where datname like ${`${scratchPrefix}%`}
          and not exists (select from pg_stat_activity a where a.datid = d.oid)`,
    )
    for (const { name } of left) await drop(name)
    const searchPath = await searchPathOfDatabase(sql)
    await createDatabase(sql, name, await localeOf(sql)).catch((cause) => Promise.reject(mayNotCreate(cause)))
    session = { ...server.session, ...(searchPath !== undefined && { search_path: searchPath }) }
  } catch (error) {
    await client.close()
    throw error
  }
  const scratch = connectTo({ ...server, database: name, session }, { maxConnections: 2, isDirect: true })
  return {
    ...scratch,
    close: async () => {
      await scratch.close()
      await drop(name)
      await client.close()
    },
  }
}

/** The search path where it is set for this very database: another one of the server has not that setting. */
async function searchPathOfDatabase(sql: postgres.Sql): Promise<string | undefined> {
  const [row] = await withDatabase(
    () => sql<{ path: string }[]>`
      select setting as path from pg_settings
      where name = 'search_path' and source in ('database', 'database user')`,
  )
  return row?.path
}

async function checkScratch(sql: postgres.Sql): Promise<ScratchRoom> {
  const { mayCreate } = one(
    await withDatabase(
      () => sql<{ mayCreate: boolean }[]>`
        select rolcreatedb or rolsuper as "mayCreate" from pg_roles where rolname = current_user`,
    ),
  )
  if (!mayCreate) throw mayNotDrill()
  const folder = await localDataFolder(sql)
  const disk = folder === undefined ? undefined : await statfs(folder).catch(() => undefined)
  return { needed: (await ownBytes(sql)).total, free: disk && disk.bavail * disk.bsize }
}

const mayNotDrill = (cause?: unknown): RmbgError =>
  new RmbgError('DATABASE_DENIED', 'A drill creates a database, and this role may not.', {
    hint: 'ALTER ROLE … CREATEDB, or drill with another role in DATABASE_URL.',
    cause,
  })

function mayNotCreate(cause: unknown): RmbgError {
  const error = databaseError(cause)
  return error.code === 'DATABASE_DENIED' ? mayNotDrill(cause) : error
}

/** The URL of another database on the same server. In libpq, what is written last counts. */
const urlOf = (url: string, name: string): string =>
  `${url}${url.includes('?') ? '&' : '?'}dbname=${encodeURIComponent(name)}`

/**
 * Creates a database on the same server unless it is there.
 *
 * @param locale as the database in the URL has it, unless it is given
 * @returns its URL
 * @throws RmbgError of family `database`
 */
export async function ensureDatabase(url: string, name: string, locale?: DatabaseLocale): Promise<string> {
  const server = connectServer(url, { maxConnections: 1 })
  try {
    const { found } = one(
      await withDatabase(
        () => server.sql`select exists (select from pg_database where datname = ${name}) as found`,
      ),
    )
    if (!found) await createDatabase(server.sql, name, locale ?? (await localeOf(server.sql)))
  } catch (cause) {
    throw databaseError(cause)
  } finally {
    await server.close()
  }
  return urlOf(url, name)
}
