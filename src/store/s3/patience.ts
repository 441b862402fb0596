import type { S3Client } from '@aws-sdk/client-s3'
import pRetry from 'p-retry'

/** System errors: no connection could be made. */
const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']
const isUnreachable = (error: unknown): boolean =>
  unreachable.includes((error as { code?: string }).code ?? '')
const isAnswer = (error: unknown): boolean =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== undefined

/**
 * Waits up to a minute for a server that has answered before and cannot be reached now: it is probably restarting. A
 * server that never answered fails at once, because its address is probably wrong. So does one that stayed away.
 *
 * This is middleware of the SDK and no wrapper around the store, because only a single request can be repeated (see
 * `s3Client`). It runs inside the SDK's retries, whose number and budget are meant for a server that is there.
 */
export function waitWhileUnreachable(client: S3Client): void {
  let isKnown = false
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        const result = await pRetry(() => next(args), {
          retries: Number.POSITIVE_INFINITY,
          factor: 1,
          minTimeout: 500,
          maxRetryTime: 60_000, // as for the database
          shouldRetry: ({ error }) => isKnown && isUnreachable(error),
        })
        isKnown = true
        return result
      } catch (error) {
        isKnown = (isKnown || isAnswer(error)) && !isUnreachable(error)
        throw error
      }
    },
    { step: 'finalizeRequest', priority: 'low', name: 'waitWhileUnreachable' },
  )
}
