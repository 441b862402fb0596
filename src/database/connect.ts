import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { tryAdvisoryLock } from './advisory-lock.ts'
import { chosenEntries } from './archive-entries.ts'
import type { Dump, ScratchRoom, ServerDatabase } from './contract.ts'
import { createDatabase, type DatabaseLocale, localeOf } from './database-locale.ts'
import { databaseError, withDatabase } from './errors.ts'
import { ensureSurroundings } from './extensions.ts'
import { localDataFolder } from './indexes.ts'
import { ownBytes } from './own-bytes.ts'
import { ownNames } from './own-objects.ts'
import { restoreDatabase } from './pg-tools.ts'
import { restorePlain } from './plain-dump.ts'
import { one } from './rows.ts'
import { openClient } from './server/client.ts'
import { locationOf, resolveServer, type Server } from './server/resolve.ts'
import { openServerSnapshot } from './snapshot.ts'

export interface ServerOptions {
  /** How many connections at most; by default what the URL says, or ten. */
  maxConnections?: number | undefined
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
export function connectServer(url: string, { maxConnections }: ServerOptions = {}): ServerDatabase {
  return connectTo(resolveServer(url), maxConnections)
}

function connectTo(server: Server, maxConnections?: number): ServerDatabase {
  const ofUrl = server.maxConnections && Math.max(server.maxConnections, fewestConnections)
  const sql = openClient(server, {
    maxConnections: maxConnections ?? ofUrl ?? defaultConnections,
    prepare: server.prepare,
  })
  return {
    kind: 'server',
    sql,
    location: locationOf(server),
    origin: () => originOf(sql),
    restores: ['custom', 'plain'],
    flush: async () => {},
    tryLock: (name) => tryAdvisoryLock(sql, name),
    useAlone: async () => {},
    openSnapshot: () => openServerSnapshot(connectTo(server, 1), server),
    restore: (dump) => restore(sql, server, dump),
    checkScratch: () => checkScratch(sql),
    openScratch: () => openScratch(sql, server),
    close: () => sql.end({ timeout: 5 }),
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
    return restorePlain(sql, await open())
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
}

const scratchPrefix = 'rmbg_drill_'

async function openScratch(sql: postgres.Sql, server: Server): Promise<ServerDatabase> {
  const left = await withDatabase(
    () => sql<{ name: string }[]>`
      select datname as name from pg_database d where datname like ${`${scratchPrefix}%`}
        and not exists (select from pg_stat_activity a where a.datid = d.oid)`,
  )
  const drop = (name: string) => withDatabase(() => sql`drop database if exists ${sql(name)}`)
  for (const { name } of left) await drop(name)
  const name = `${scratchPrefix}${randomBytes(6).toString('hex')}`
  const searchPath = await searchPathOfDatabase(sql)
  await createDatabase(sql, name, await localeOf(sql)).catch((cause) => Promise.reject(mayNotCreate(cause)))
  const session = { ...server.session, ...(searchPath !== undefined && { search_path: searchPath }) }
  const scratch = connectTo({ ...server, database: name, session }, 2)
  return {
    ...scratch,
    close: async () => {
      await scratch.close()
      await drop(name)
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
