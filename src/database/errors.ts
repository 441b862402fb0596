import pRetry from 'p-retry'
import { RmbgError } from '../errors.ts'
import { type Away, type Patience, patience } from '../system/patience.ts'
import { holderEnded } from './holder-socket.ts'
import { isUnknownStatement, stopPreparing } from './prepared.ts'
import { noHost } from './server/choose.ts'
import { tellingOf } from './tellings.ts'

interface Cause {
  code?: string
  message?: string
  address?: string
  port?: number
}

/** The process that had the embedded database is gone. */
const holderGone = {
  code: 'DATABASE_UNAVAILABLE',
  message: 'The process that had the embedded database ended in the middle of this.',
  hint: 'Run the command again.',
} as const

/** Two transactions stood in each other's way: the next try is likely to succeed. */
const collisions = new Set([
  '40001',
  '40P01',
  // A job that was there a moment ago was pruned: asked again, the statement does not find it any more.
  '23503',
])
/**
 * A table, its row type or a function was replaced while a statement was on its way: `migrate --partition` does that to a
 * log in use. Nothing was done, and asked again the statement finds what is there now.
 */
function wasReplaced(error: unknown): boolean {
  const { code, message = '' } = ((error as RmbgError).cause ?? {}) as Cause
  return code === '42804' || (code === 'XX000' && message.startsWith('cache lookup failed'))
}
/** Where it is no such thing, it is told soon. */
const replacementTries = 4

/** This program itself closed the connection, or it was not to a server. */
const notAway = new Set(['CONNECTION_ENDED', 'CONNECTION_DESTROYED', holderEnded])

/** postgres.js 3.4.9 says `write CONNECT_TIMEOUT 127.0.0.1:5432`. */
const driverReasons: Record<string, string> = {
  CONNECT_TIMEOUT: 'it did not answer in time',
  CONNECTION_CLOSED: 'it closed the connection',
  CONNECTION_ENDED: 'the connection was ended here',
  CONNECTION_DESTROYED: 'the connection was ended here',
}

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
  if (code === holderEnded)
    return new RmbgError(holderGone.code, holderGone.message, { ...holderGone, cause })
  const reason =
    driverReasons[/^write (CONNECT\w+) /.exec(message ?? '')?.[1] ?? ''] ?? (message || code || String(cause))
  const at = address === undefined ? '' : ` at ${address}${port === undefined ? '' : `:${port}`}`
  const telling = tellingOf(code, reason)
  if (telling) {
    const hint = typeof telling.hint === 'string' ? telling.hint : telling.hint(reason)
    return new RmbgError(telling.code, telling.sentence(`The database server${at}`, reason), { hint, cause })
  }
  return new RmbgError(
    'DATABASE_ERROR',
    `The database reported an error: ${reason}${code && ` (${code})`}.`,
    {
      hint: 'Set DEBUG=* to see where it comes from.',
      cause,
    },
  )
}

/**
 * Whether the connection is gone. On a connection of `sql.reserve()` nothing more may then be sent: postgres.js 3.4.9
 * ends the process by an exception nobody can catch (porsager/postgres #1208), in `sql.begin()` by its own rollback.
 */
export const connectionIsLost = (error: RmbgError): boolean => error.code === 'DATABASE_UNAVAILABLE'

/** The server is away, or has no connection left to give. */
function awayOf(error: unknown): Away | undefined {
  const code = codeOf(error)
  // What the server said: our sentence of it may lack the words that tell one meaning of a code from another.
  const { message } = ((error as RmbgError).cause ?? error) as Error
  const isAway = code === noHost || tellingOf(code, message)?.code === 'DATABASE_UNAVAILABLE'
  if (!isAway || notAway.has(code)) return undefined
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
    shouldRetry: ({ error, attemptNumber }) =>
      collisions.has(codeOf(error)) || (attemptNumber < replacementTries && wasReplaced(error)),
  })
  // postgres.js 3.4.9 numbers rows on from those of a statement that failed before on this connection (its #1181).
  return rows.filter(() => true)
}
