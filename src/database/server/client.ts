/** A client of postgres.js for a server, through sockets of ours. */
import type { Duplex } from 'node:stream'
import postgres from 'postgres'
import { connectionIsLost, databaseError } from '../errors.ts'
import { one } from '../rows.ts'
import { withSession } from '../session.ts'
import { type Chooser, hostChooser, type State } from './choose.ts'
import { passwordFor } from './password.ts'
import type { Server } from './resolve.ts'
import { failedSocket, openSocket, type Place } from './socket.ts'

export interface ClientOptions {
  maxConnections: number
  prepare: boolean
}

/** Connects lazily: what is wrong with a connection is told to whoever asks the first question on it. */
export function openClient(server: Server, options: ClientOptions): postgres.Sql {
  return clientOf(
    server,
    options,
    hostChooser(server, (place) => stateOf(server, place)),
  )
}

/** @throws what the driver or the server says */
async function stateOf(server: Server, place: Place): Promise<State> {
  const only: Chooser = { choose: async () => place, forget: () => {} }
  const sql = clientOf(server, { maxConnections: 1, prepare: false }, only)
  try {
    return one(
      await sql<State[]>`
        select pg_is_in_recovery() as "isStandby", current_setting('transaction_read_only') = 'on' as "isReadOnly"`,
    )
  } finally {
    await sql.end({ timeout: 0 })
  }
}

function clientOf(
  server: Server,
  { maxConnections, prepare }: ClientOptions,
  chooser: Chooser,
): postgres.Sql {
  const sockets = socketMaker(server, chooser)
  const { user, database, session } = server
  const sql = withoutVariables(
    () =>
      postgres({
        // Of sentences alone: the sockets are ours.
        host: server.hosts.map(({ name }) => name).slice(0, 1),
        port: server.hosts.map(({ port }) => port).slice(0, 1),
        user,
        database,
        password: sockets.password,
        socket: sockets.open,
        max: maxConnections,
        prepare,
        ssl: false,
        sslnegotiation: null,
        connect_timeout: server.connectTimeoutMs / 1000,
        keep_alive: 0,
        // withDatabase() retries by itself; the default of postgres.js would end up at one try every 20 s.
        backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
        // Asked for unawaited by postgres.js: a connection lost during it would end the process. Lists travel as JSON.
        fetch_types: false,
        // One statement at a time: postgres.js describes one before it sends its parameters, and where another is under
        // way PgBouncer 1.18 takes the connection for idle meanwhile, and the answer is lost.
        max_pipeline: 0,
        onnotice: () => {},
        connection: session,
      } as unknown as postgres.Options<Record<string, never>>) as postgres.Sql,
  )
  return Object.assign(sql, { begin: beginner(sql) })
}

/** A transaction on a connection of its own: that of postgres.js 3.4.9 never begins with one statement at a time. */
const beginner = (sql: postgres.Sql) => (ask: (session: postgres.Sql) => Promise<unknown>) =>
  withSession(sql, async (session) => {
    await session`begin`
    try {
      const answer = await ask(session)
      await session`commit`
      return answer
    } catch (cause) {
      if (!connectionIsLost(databaseError(cause))) await session`rollback`
      throw cause
    }
  })

/** postgres.js 3.4.9 reads this variable whatever it is given, takes no `any`, and tries one host for ever. */
function withoutVariables<T>(make: () => T): T {
  const { PGTARGETSESSIONATTRS: kept } = process.env
  delete process.env.PGTARGETSESSIONATTRS
  try {
    return make()
  } finally {
    if (kept !== undefined) process.env.PGTARGETSESSIONATTRS = kept
  }
}

function socketMaker(server: Server, chooser: Chooser) {
  /** The server says something on this connection right now: who is asked for a password is asked by it. */
  let speaking: { socket: Duplex; place: Place } | undefined
  const openAt = async (place: Place): Promise<Duplex> => {
    const socket = await openSocket(place, server)
    const turn = { socket, place }
    return socket
      .on('data', () => {
        speaking = turn
      })
      .once('close', () => chooser.forget(place))
  }
  const open = async (): Promise<Duplex> => {
    try {
      const place = await chooser.choose()
      try {
        return await openAt(place)
      } catch (error) {
        chooser.forget(place)
        const next = await chooser.choose()
        if (next === place) throw error
        return await openAt(next)
      }
    } catch (error) {
      return failedSocket(error)
    }
  }
  const password = async (): Promise<string> => {
    if (speaking === undefined) return ''
    const { socket, place } = speaking
    try {
      return await passwordFor(server, place.host)
    } catch (error) {
      // A promise that fails would end the process in postgres.js 3.4.9; a connection that fails is told of.
      socket.destroy(error as Error)
      return new Promise(() => {})
    }
  }
  return { open, password }
}
