import postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { databaseError } from './errors.ts'

export interface Database {
  sql: postgres.Sql
  kind: 'server' | 'embedded'
  /** For people and logs; never holds a password. */
  location: string
  /** Embedded only: where it lies; this process has it alone. */
  folder?: string
  /** Brings what was acknowledged to disk and statistics up to date, where nobody else does. */
  flush(): Promise<void>
  /** Embedded only: the whole database as plain SQL that PostgreSQL 12 and newer, and PGlite, restore. */
  dumpSql?(): Promise<string>
  close(): Promise<void>
}

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
export function connectServer(url: string, { maxConnections = 10 }: ServerOptions = {}): Database {
  if (!isPostgresUrl(url)) {
    throw new RmbgError('DATABASE_UNAVAILABLE', 'DATABASE_URL is not a PostgreSQL URL.', {
      hint: 'It looks like postgres://user:password@host:5432/database; encode special characters in the password.',
    })
  }
  const parsed = new URL(url)
  const location = `${parsed.protocol}//${parsed.host}${parsed.pathname}`
  const prepare = parsed.searchParams.get('prepare') !== 'false'
  parsed.searchParams.delete('prepare') // the rest are settings that the server would be asked to apply
  const name = decodeURIComponent(parsed.pathname.slice(1))
  const sql = postgres(parsed.href, {
    ...(name !== '' && { database: name }), // postgres.js 3.4.9 decodes user and password only
    max: maxConnections,
    prepare,
    connect_timeout: 10,
    // Whoever waits for a server asks again by itself; postgres.js alone would end up asking every 20 s.
    backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
    // Asked for unawaited by postgres.js: a connection lost during it would end the process. Lists travel as JSON.
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: 'rmbg' },
  })
  return {
    sql,
    kind: 'server',
    location,
    flush: async () => {},
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

/**
 * A connection for this caller alone, until it is released. postgres.js 3.4.9 with `fetch_types` off never answers a
 * reserve() that has to open a connection first, so one is opened by a question.
 */
export async function reserveConnection(sql: postgres.Sql): Promise<postgres.ReservedSql> {
  await sql`select 1`
  return sql.reserve()
}

/**
 * Makes a database on the same server unless it is there.
 *
 * @returns its URL
 * @throws RmbgError of family `database`
 */
export async function ensureDatabase(url: string, name: string): Promise<string> {
  const server = connectServer(url, { maxConnections: 1 })
  try {
    const [row] = await server.sql`select exists (select from pg_database where datname = ${name}) as found`
    if (!row!.found) await server.sql`create database ${server.sql(name)}`
  } catch (cause) {
    throw databaseError(cause)
  } finally {
    await server.close()
  }
  const target = new URL(url)
  target.pathname = `/${encodeURIComponent(name)}`
  return target.href
}
