import type { S3Client } from '@aws-sdk/client-s3'
import type { Away, Patience } from '../../system/patience.ts'
import { s3Error } from './errors.ts'

/** System errors: no connection could be made, or it was lost. */
const connectionErrors = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]
/** A proxy says that there is no server behind it. Of the same status is SlowDown: that server is there, but busy. */
const proxyStatuses = [502, 503, 504]

function isAway(error: unknown): boolean {
  const {
    code = '',
    name,
    $metadata,
  } = error as {
    code?: string
    name?: string
    $metadata?: { httpStatusCode?: number }
  }
  const status = $metadata?.httpStatusCode
  if (status !== undefined) return proxyStatuses.includes(status)
  return name === 'TimeoutError' || connectionErrors.includes(code)
}

/**
 * Waits for a server that is away.
 *
 * This is middleware of the SDK and no wrapper around the store, because only a single request can be repeated (see
 * `s3Client`). It is around the SDK's retries, so that a short interruption is not spoken of, and each try is signed anew.
 */
export function waitWhileAway(client: S3Client, place: string, patient: Patience): void {
  const awayOf = (error: unknown): Away | undefined =>
    isAway(error) ? { server: place, sentence: s3Error(error, place).message } : undefined
  client.middlewareStack.add(
    (next) => (args) => patient(() => next(args), awayOf),
    { step: 'build', priority: 'low', name: 'waitWhileAway' }, // retries and signing are of the next step
  )
}
