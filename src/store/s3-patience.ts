import { setTimeout as sleep } from 'node:timers/promises'
import type { S3Client } from '@aws-sdk/client-s3'

/** As long as for the database. */
const patienceMs = 60_000
const pauseMs = 500

/** System errors that say that no connection could be made. */
const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']

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
      const deadline = performance.now() + patienceMs
      for (;;) {
        try {
          const result = await next(args)
          isKnown = true
          return result
        } catch (error) {
          const { code, $metadata } = error as { code?: string; $metadata?: { httpStatusCode?: number } }
          isKnown ||= $metadata?.httpStatusCode !== undefined
          if (!isKnown || !unreachable.includes(code ?? '')) throw error
          isKnown = performance.now() < deadline
          if (!isKnown) throw error
          await sleep(pauseMs)
        }
      }
    },
    { step: 'finalizeRequest', priority: 'low', name: 'waitWhileUnreachable' },
  )
}
