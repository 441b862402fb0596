import postgres from 'postgres'
import { databaseError } from './errors.ts'

export interface Database {
  sql: postgres.Sql
  kind: 'server' | 'embedded'
  /** For people and logs; never holds a password. */
  location: string
  /** Brings what was acknowledged to disk and statistics up to date, where nobody else does. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface ServerOptions {
  maxConnections?: number
}

/**
 * Connects to a PostgreSQL server, lazily: an unreachable server shows at the first query.
 *
 * @param url `postgres://user:password@host:port/database?sslmode=require`; `prepare=false` in the query string
 *   is for poolers that cannot keep prepared statements
 * @throws RmbgError DATABASE_UNAVAILABLE when the URL is no PostgreSQL URL
 */
export function connectServer(url: string, { maxConnections = 10 }: ServerOptions = {}): Database {
  let parsed: URL
  try {
    parsed = new URL(url)
    if (!/^postgres(ql)?:$/.test(parsed.protocol)) throw new Error(`unexpected protocol ${parsed.protocol}`)
  } catch {
    throw databaseError({ code: 'INVALID_URL' }, 'the database')
  }
  const location = `${parsed.protocol}//${parsed.host}${parsed.pathname}`
  const prepare = parsed.searchParams.get('prepare') !== 'false'
  parsed.searchParams.delete('prepare') // the rest are settings that the server would be asked to apply
  const sql = postgres(parsed.href, {
    max: maxConnections,
    prepare,
    connect_timeout: 10,
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
