import pRetry from 'p-retry'
import { RmbgError } from '../errors.ts'

interface Cause {
  code?: string
  message?: string
  address?: string
  port?: number
}

const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  '57P01',
  '57P02',
  '57P03',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '53300',
])

/**
 * A PostgreSQL or connection error as a sentence. Nothing of the connection string is repeated: only the host
 * and port the driver itself names.
 */
export function databaseError(cause: unknown, place?: string): RmbgError {
  if (cause instanceof RmbgError) return cause
  const { code = '', message = '', address, port } = cause as Cause
  const where =
    place ?? (address === undefined ? 'the database' : `the database at ${address}${port ? `:${port}` : ''}`)
  const made = (kind: ConstructorParameters<typeof RmbgError>[0], sentence: string, hint: string) =>
    new RmbgError(kind, sentence, { hint, cause })
  if (code === 'INVALID_URL') {
    return made(
      'DATABASE_UNAVAILABLE',
      'DATABASE_URL is not a PostgreSQL URL.',
      'It looks like postgres://user:password@host:5432/database.',
    )
  }
  if (code === '57P03')
    return made(
      'DATABASE_UNAVAILABLE',
      `${capital(where)} is still starting or shutting down.`,
      'Try again, or use rmbg migrate --wait 60.',
    )
  if (code === '53300')
    return made(
      'DATABASE_UNAVAILABLE',
      `${capital(where)} has no connection left to give.`,
      'Close other clients, or raise max_connections.',
    )
  if (unreachable.has(code))
    return made(
      'DATABASE_UNAVAILABLE',
      `Cannot reach ${where} (${code}).`,
      'Check DATABASE_URL and that the server is running.',
    )
  if (code === '28P01' || code === '28000')
    return made(
      'DATABASE_DENIED',
      `${capital(where)} refused the user or password.`,
      'Check the user and password in DATABASE_URL.',
    )
  if (code === '3D000')
    return made(
      'DATABASE_DENIED',
      `${capital(where)} has no database of that name.`,
      'Create it, or correct DATABASE_URL.',
    )
  if (code === '42501')
    return made(
      'DATABASE_DENIED',
      `The database role lacks a right: ${message}.`,
      'Grant it, or use another role in DATABASE_URL.',
    )
  if (code === '42P01' || code === '42703')
    return made(
      'DATABASE_NOT_MIGRATED',
      `The database lacks a table or column: ${message}.`,
      'Run rmbg migrate.',
    )
  if (code === '53100')
    return made(
      'DATABASE_UNAVAILABLE',
      'The disk of the database is full.',
      'Make room there and run the command again.',
    )
  if (code === '57014')
    return made(
      'DATABASE_ERROR',
      'The database cancelled a statement that took too long.',
      'Look at statement_timeout and at what blocks it: rmbg never needs long.',
    )
  if (code === '25006')
    return made('DATABASE_DENIED', 'The database is read-only.', 'Point DATABASE_URL at the primary server.')
  return made(
    'DATABASE_ERROR',
    `The database reported an error: ${message || String(cause)}${code ? ` (${code})` : ''}.`,
    'Set DEBUG=* to see where it comes from.',
  )
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const retryMs = 60_000

/**
 * Runs statements again when the connection was lost under them, for up to a minute: a restarted server costs a
 * pause, not a run. Only for what may be repeated.
 *
 * @throws RmbgError of family `database`
 */
export async function withDatabase<T>(question: () => Promise<T>): Promise<T> {
  return pRetry(() => question().catch((cause) => Promise.reject(databaseError(cause))), {
    retries: 12,
    minTimeout: 100,
    maxTimeout: 8_000,
    maxRetryTime: retryMs,
    randomize: true,
    shouldRetry: ({ error }) => error instanceof RmbgError && error.code === 'DATABASE_UNAVAILABLE',
  })
}
