import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { tryAdvisoryLock } from './advisory-lock.ts'
import type { Dump, ServerDatabase } from './contract.ts'
import { databaseError, withDatabase } from './errors.ts'
import { loginSockets } from './login-socket.ts'
import { restoreDatabase } from './pg-tools.ts'
import { restorePlain } from './plain-dump.ts'
import { one } from './rows.ts'
import { openServerSnapshot } from './snapshot.ts'

export interface ServerOptions {
  maxConnections?: number
}

/**
 * Connects to a PostgreSQL server, lazily: an unreachable server shows at the first query.
 *
 * @param url `postgres://user:password@host:port/database?sslmode=verify-full`; `prepare=false` in the query string
 *   is for poolers that cannot keep prepared statements. Authorities besides the public ones: NODE_EXTRA_CA_CERTS
 * @throws RmbgError DATABASE_UNAVAILABLE when the URL is no PostgreSQL URL
 */
export function connectServer(url: string, { maxConnections = 10 }: ServerOptions = {}): ServerDatabase {
  if (!isPostgresUrl(url)) {
    throw new RmbgError('DATABASE_UNAVAILABLE', 'DATABASE_URL is not a PostgreSQL URL.', {
      hint: 'It looks like postgres://user:password@host:5432/database; encode special characters in the password.',
    })
  }
  const { protocol, host, pathname } = new URL(url)
  const sql = openClient(url, maxConnections)
  return {
    kind: 'server',
    sql,
    location: `${protocol}//${host}${pathname}`,
    origin: () => originOf(sql),
    restores: ['custom', 'plain'],
    flush: async () => {},
    tryLock: (name) => tryAdvisoryLock(sql, name),
    useAlone: async () => {},
    openSnapshot: () => openServerSnapshot(connectServer(url, { maxConnections: 1 }), url),
    restore: (dump) => restore(sql, url, dump),
    openScratch: () => openScratch(sql, url),
    close: () => sql.end({ timeout: 5 }),
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

function openClient(url: string, maxConnections: number): postgres.Sql {
  const parsed = new URL(url)
  const prepare = parsed.searchParams.get('prepare') !== 'false'
  parsed.searchParams.delete('prepare') // the rest are settings that the server would be asked to apply
  const name = decodeURIComponent(parsed.pathname.slice(1))
  return postgres(parsed.href, {
    ...(name !== '' && { database: name }), // postgres.js 3.4.9 decodes user and password only
    max: maxConnections,
    prepare,
    connect_timeout: 10,
    socket: loginSockets(),
    // withDatabase() retries by itself; the default of postgres.js would end up at one try every 20 s.
    backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
    // Asked for unawaited by postgres.js: a connection lost during it would end the process. Lists travel as JSON.
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: 'rmbg' },
  } as postgres.Options<Record<string, never>>) as postgres.Sql
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

async function openScratch(sql: postgres.Sql, url: string): Promise<ServerDatabase> {
  const left = await withDatabase(
    () => sql<{ name: string }[]>`
      select datname as name from pg_database d where datname like ${`${scratchPrefix}%`}
        and not exists (select from pg_stat_activity a where a.datid = d.oid)`,
  )
  const drop = (name: string) => withDatabase(() => sql`drop database if exists ${sql(name)}`)
  for (const { name } of left) await drop(name)
  const name = `${scratchPrefix}${randomBytes(6).toString('hex')}`
  await sql`create database ${sql(name)} template template0`.catch((cause) =>
    Promise.reject(mayNotCreate(cause)),
  )
  const scratch = connectServer(urlOf(url, name), { maxConnections: 2 })
  return {
    ...scratch,
    close: async () => {
      await scratch.close()
      await drop(name)
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
