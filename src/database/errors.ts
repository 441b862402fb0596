import pRetry from 'p-retry'
import { type ErrorCode, RmbgError } from '../errors.ts'
import { type Away, type Patience, patience } from '../system/patience.ts'
import { holderEnded } from './holder-socket.ts'
import { isUnknownStatement, stopPreparing } from './prepared.ts'

interface Cause {
  code?: string
  message?: string
  address?: string
  port?: number
}

interface Telling {
  code: ErrorCode
  /** @param place the server, at the start of a sentence; @param reason what the server or system said */
  sentence: (place: string, reason: string) => string
  hint: string
}

const unreachable: Telling = {
  code: 'DATABASE_UNAVAILABLE',
  sentence: (place, reason) => `${place} cannot be reached: ${reason}.`,
  hint: 'Check DATABASE_URL and that the server is running.',
}
const starting: Telling = {
  code: 'DATABASE_UNAVAILABLE',
  sentence: (place) => `${place} is starting or shutting down.`,
  hint: 'Try again in a moment; --patience 5m waits longer.',
}
const refusedLogin: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place, reason) => `${place} refused the login: ${reason}.`,
  hint: 'Check user, password and sslmode in DATABASE_URL.',
}
const notMigrated: Telling = {
  code: 'DATABASE_NOT_MIGRATED',
  sentence: (_, reason) => `The database lacks a table or column: ${reason}.`,
  hint: 'Run rmbg migrate, with the same DATABASE_URL.',
}
const unprepared: Telling = {
  code: 'DATABASE_ERROR',
  sentence: (_, reason) => `A pooler gave this statement a session that does not know it: ${reason}.`,
  hint: 'Add prepare=false to the query of DATABASE_URL.',
}
const untrusted: Telling = {
  code: 'DATABASE_DENIED',
  sentence: (place, reason) => `The certificate of ${lowerFirst(place)} is not trusted: ${reason}.`,
  hint: 'Name the file of its authority in NODE_EXTRA_CA_CERTS, or correct the host in DATABASE_URL.',
}

/** By SQLSTATE, or the code of a system or driver error. */
const tellings: Record<string, Telling> = {
  ECONNREFUSED: unreachable,
  ECONNRESET: unreachable,
  EPIPE: unreachable,
  ENOTFOUND: unreachable,
  EAI_AGAIN: unreachable,
  ETIMEDOUT: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ENOENT: unreachable, // a socket file
  CONNECT_TIMEOUT: unreachable,
  CONNECTION_CLOSED: unreachable,
  CONNECTION_ENDED: unreachable,
  CONNECTION_DESTROYED: unreachable,
  [holderEnded]: {
    code: 'DATABASE_UNAVAILABLE',
    sentence: () => 'The process that had the embedded database ended in the middle of this.',
    hint: 'Run the command again.',
  },
  '08000': unreachable,
  '08001': unreachable,
  '08003': unreachable,
  '08004': unreachable,
  '08006': unreachable,
  '57P01': starting,
  '57P02': starting,
  '57P03': starting,
  '28000': refusedLogin,
  '28P01': refusedLogin,
  '42P01': notMigrated,
  '42703': notMigrated,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: untrusted,
  '26000': unprepared,
  '42P05': unprepared,
  '53300': {
    code: 'DATABASE_UNAVAILABLE',
    sentence: (place) => `${place} has no connection left to give.`,
    hint: 'Close other clients, or raise max_connections.',
  },
  '3D000': {
    code: 'DATABASE_DENIED',
    sentence: (place) => `${place} has no database of that name.`,
    hint: 'Create it, or correct DATABASE_URL.',
  },
  '42501': {
    code: 'DATABASE_DENIED',
    sentence: (_, reason) => `The database role lacks a right: ${reason}.`,
    hint: 'Grant it, or use another role in DATABASE_URL.',
  },
  '25006': {
    code: 'DATABASE_DENIED',
    sentence: () => 'The database is read-only.',
    hint: 'Point DATABASE_URL at the primary server.',
  },
  '53100': {
    code: 'DATABASE_ERROR',
    sentence: () => 'The disk of the database is full.',
    hint: 'Make room there and run the command again.',
  },
  '55P03': {
    code: 'DATABASE_ERROR',
    sentence: () => 'A table is locked by somebody else, and waiting for it was given up.',
    hint: 'rmbg health shows who holds it.',
  },
  '57014': {
    code: 'DATABASE_ERROR',
    sentence: (_, reason) => `The database cancelled a statement: ${reason}.`,
    hint: 'Look at statement_timeout and at what blocks it: rmbg never needs long.',
  },
}

/** Two transactions stood in each other's way: the next try is likely to succeed. */
const collisions = new Set([
  '40001',
  '40P01',
  // A job that was there a moment ago was pruned: asked again, the statement does not find it any more.
  '23503',
])
/** This program itself closed the connection, or it was not to a server. */
const notAway = new Set(['CONNECTION_ENDED', 'CONNECTION_DESTROYED', holderEnded])

const codeOf = (error: unknown): string => ((error as RmbgError).cause as Cause | undefined)?.code ?? ''

/**
 * A PostgreSQL or connection error as a sentence. Nothing of the connection string is repeated: only the host
 * and port that the driver names.
 */
export function databaseError(cause: unknown): RmbgError {
  if (cause instanceof RmbgError) return cause
  // Node tries all addresses of a name and reports them together.
  const {
    code = '',
    message,
    address,
    port,
  } = (cause instanceof AggregateError ? { code: (cause as Cause).code, ...cause.errors[0] } : cause) as Cause
  const reason = message || code || String(cause)
  const at = address === undefined ? '' : ` at ${address}${port === undefined ? '' : `:${port}`}`
  const place = `The database server${at}`
  const telling = startupParameter(code, reason) ?? tellings[code]
  if (telling)
    return new RmbgError(telling.code, telling.sentence(place, reason), { hint: telling.hint, cause })
  return new RmbgError(
    'DATABASE_ERROR',
    `The database reported an error: ${reason}${code && ` (${code})`}.`,
    {
      hint: 'Set DEBUG=* to see where it comes from.',
      cause,
    },
  )
}

/** PgBouncer begins no session with a setting that it cannot give to every client of the pool. */
function startupParameter(code: string, reason: string): Telling | undefined {
  const [, name] = /unsupported startup parameter(?: in options)?: (\S+)/.exec(reason) ?? []
  if (code !== '08P01' || name === undefined) return undefined
  return {
    code: 'DATABASE_DENIED',
    sentence: () => `The pooler in front of the database refuses the setting ${name} of the connection.`,
    hint: `Take ${name} out of DATABASE_URL and set it for the role (ALTER ROLE … SET …), or add it to ignore_startup_parameters of PgBouncer, which drops it.`,
  }
}

/**
 * Whether the connection is gone. On a connection of `sql.reserve()` nothing more may then be sent: postgres.js 3.4.9
 * ends the process by an exception nobody can catch (porsager/postgres #1208), in `sql.begin()` by its own rollback.
 */
export const connectionIsLost = (error: RmbgError): boolean => error.code === 'DATABASE_UNAVAILABLE'

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

/** The server is away, or has no connection left to give. */
function awayOf(error: unknown): Away | undefined {
  const code = codeOf(error)
  if (tellings[code]?.code !== 'DATABASE_UNAVAILABLE' || notAway.has(code)) return undefined
  return { server: 'The database server', sentence: (error as Error).message }
}

let patient: Patience = patience({ forMs: 60_000 })

/**
 * How long this process waits for a database server that is away; a minute until it is told. Of the process and not of
 * a connection, because a statement reaches `withDatabase` as a closure.
 */
export function setDatabasePatience(given: Patience): void {
  patient = given
}

/**
 * Asks a question of the database, and asks again when the connection was lost under it: a restarted server costs a
 * pause, not a run. Only for what may be repeated.
 *
 * @throws RmbgError of family `database`
 */
export function patiently<T>(question: () => PromiseLike<T>): Promise<T> {
  return patient(async () => {
    for (let left = triesInARow; ; left--) {
      try {
        return await question()
      } catch (cause) {
        const error = databaseError(cause)
        if (left === 0) throw error
        if (isUnknownStatement((error.cause ?? {}) as Cause)) stopPreparing()
        else if (codeOf(error) !== holderEnded) throw error
      }
    }
  }, awayOf)
}

/**
 * An embedded database whose holder ended is asked again at once: whoever asks waits for the next holder, or becomes it.
 * So is a pooler whose session did not know a prepared statement: it was not executed.
 */
const triesInARow = 10

/**
 * Runs a statement again when the connection was lost under it (`patiently`), or when it collided with another one.
 * Only for what may be repeated.
 *
 * @returns the rows
 * @throws RmbgError of family `database`
 */
export async function withDatabase<Row>(question: () => Promise<readonly Row[]>): Promise<Row[]> {
  const rows = await pRetry(() => patiently(question), {
    retries: 12,
    minTimeout: 100,
    maxTimeout: 8_000,
    maxRetryTime: 60_000,
    randomize: true,
    shouldRetry: ({ error }) => collisions.has(codeOf(error)),
  })
  // postgres.js 3.4.9 numbers rows on from those of a statement that failed before on this connection (its #1181).
  return rows.filter(() => true)
}
