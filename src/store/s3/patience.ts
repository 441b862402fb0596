import type { S3Client } from '@aws-sdk/client-s3'
import pRetry from 'p-retry'

/** System errors that say that no connection could be made. */
const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']
const isUnreachable = (error: unknown): boolean =>
  unreachable.includes((error as { code?: string }).code ?? '')
const isAnswer = (error: unknown): boolean =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== undefined

/**
 * Lets a client wait for a server that has answered before and cannot be reached now: it is being restarted. One that never
 * answered is told of at once, for its address is probably wrong; so is one that was waited for in vain.
 *
 * Works within the SDK's retries, whose number and budget are for a server that is there.
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
