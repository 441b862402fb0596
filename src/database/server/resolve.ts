/** From DATABASE_URL and libpq's variables and files to where the server is and how to reach it. */
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { RmbgError } from '../../errors.ts'
import { userName } from '../../system/user.ts'
import { connectionParameters, type Parameters } from './parameters.ts'
import { type Tls, tlsOf } from './tls.ts'

/** One of the places where the server may be. */
export interface Host {
  /** As it was given: a name, an address, or the folder of a socket. Certificates are compared with it. */
  name: string
  /** Where to connect; differs from the name with hostaddr. */
  address: string
  port: number
  /** The file of a Unix socket; undefined for TCP. */
  socketPath: string | undefined
}

export type SessionWish = NonNullable<Parameters['target_session_attrs']>

/** A PostgreSQL server, and how to reach it. */
export interface Server {
  /** In the order in which they are tried; at least one. */
  hosts: Host[]
  user: string
  /** Undefined: the password file is asked, when the server wants one. */
  password: string | undefined
  /** Undefined: libpq's default. */
  passfile: string | undefined
  database: string
  tls: Tls
  wish: SessionWish
  connectTimeoutMs: number
  /** Seconds of silence after which TCP asks whether the other end is there; 0 for never. */
  keepAliveSeconds: number
  /** Whether statements are prepared under names. */
  prepare: boolean
  maxConnections: number | undefined
  /** Settings of the session, sent with the login. */
  session: Record<string, string>
}

const defaultTimeoutSeconds = 10
/** libpq has one compiled in, which differs by distribution. */
const socketFolders = ['/var/run/postgresql', '/tmp']

/**
 * @param url DATABASE_URL; `postgres://` leaves everything to libpq's variables
 * @throws RmbgError DATABASE_UNAVAILABLE when it is no PostgreSQL URL; CONFIG_INVALID when a parameter is unknown or
 *   cannot be honored, or a file that is named cannot be used
 */
export function resolveServer(
  url: string,
  env: NodeJS.ProcessEnv = process.env,
  home: string = homeOf(env),
): Server {
  const parameters = connectionParameters(url, env, home)
  const user = parameters.user ?? userName(env)
  const timeout = parameters.connect_timeout ?? defaultTimeoutSeconds
  return {
    hosts: hostsOf(parameters),
    user,
    password: parameters.password,
    passfile: parameters.passfile,
    database: parameters.dbname ?? user,
    tls: tlsOf(parameters, home),
    wish: parameters.target_session_attrs ?? 'any',
    // In libpq, 0 and less mean for ever; nobody here waits that long for one try.
    connectTimeoutMs: (timeout > 0 ? timeout : defaultTimeoutSeconds) * 1000,
    keepAliveSeconds: parameters.keepalives === false ? 0 : (parameters.keepalives_idle ?? 60),
    prepare: !parameters.pgbouncer && (parameters.prepare ?? true),
    maxConnections: parameters.connection_limit,
    session: sessionOf(parameters),
  }
}

const homeOf = (env: NodeJS.ProcessEnv): string => env.HOME || homedir()

function hostsOf({ host = '', hostaddr, port = '', load_balance_hosts }: Parameters): Host[] {
  const names = list(host)
  const addresses = list(hostaddr ?? host)
  const ports = list(port).map(portOf)
  const count = Math.max(names.length, addresses.length)
  if (names.length !== addresses.length && names.some(Boolean))
    throw unequal(names.length, addresses.length, 'addresses (hostaddr)')
  if (ports.length !== 1 && ports.length !== count) throw unequal(count, ports.length, 'ports')
  const hosts = addresses.map((address, index) =>
    placeOf(names[index] ?? '', address, ports[ports.length === 1 ? 0 : index] ?? 5432),
  )
  return load_balance_hosts === 'random' ? shuffled(hosts) : hosts
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim())

function portOf(text: string): number {
  if (text === '') return 5432
  const port = Number(text)
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new RmbgError('CONFIG_INVALID', 'The port of the database server is not a number from 1 to 65535.')
}

function unequal(hosts: number, others: number, what: string): RmbgError {
  return new RmbgError(
    'CONFIG_INVALID',
    `The database connection names ${hosts} hosts and ${others} ${what}: give as many, or one port for all.`,
  )
}

function placeOf(name: string, address: string, port: number): Host {
  const folder = address || name || socketFolders.find((each) => existsSync(socketIn(each, port)))
  if (folder === undefined) return { name: 'localhost', address: 'localhost', port, socketPath: undefined }
  if (folder.startsWith('/')) {
    return { name: name || folder, address: folder, port, socketPath: socketIn(folder, port) }
  }
  if (address !== '' && address !== name && isIP(address) === 0)
    throw new RmbgError('CONFIG_INVALID', 'hostaddr of the database connection is not an IP address.')
  return { name: name || address, address: folder, port, socketPath: undefined }
}

const socketIn = (folder: string, port: number): string => `${folder}/.s.PGSQL.${port}`

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[]): T[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]!)
}

function sessionOf(parameters: Parameters): Record<string, string> {
  const { schema, search_path, options } = parameters
  const given = {
    options,
    // A comma or a capital in it is part of the name.
    search_path: search_path ?? (schema && `"${schema.replaceAll('"', '""')}"`),
    statement_timeout: parameters.statement_timeout,
    lock_timeout: parameters.lock_timeout,
    idle_in_transaction_session_timeout: parameters.idle_in_transaction_session_timeout,
  }
  return {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value)) as Record<string, string>),
    application_name: parameters.application_name ?? parameters.fallback_application_name ?? 'rmbg',
    // What our queries rely on, whatever role and database have set. Poolers pass both on.
    DateStyle: 'ISO',
    standard_conforming_strings: 'on',
  }
}

/** `postgres://user@host/database`: for people and logs; never holds a password. */
export function locationOf({ hosts, user, database }: Server): string {
  const names = hosts.map(({ name, port, socketPath }) => {
    if (socketPath !== undefined) return port === 5432 ? name : `${name}:${port}`
    const host = isIP(name) === 6 ? `[${name}]` : name
    return port === 5432 ? host : `${host}:${port}`
  })
  const [login, path] = [user, database].map(encodeURIComponent)
  return hosts.some(({ socketPath }) => socketPath === undefined)
    ? `postgres://${login}@${names.join(',')}/${path}`
    : `postgres://${login}@/${path}?host=${names.join(',')}`
}
