/** Waiting for a server that is away: how long, how often it is asked, and what is said about it. */
import { once, setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

export interface PatienceOptions {
  /** How long a server may be away. 0: it is not waited for. */
  forMs: number
  /** Ends the waiting at once; what is waited for then fails. */
  signal?: AbortSignal
  /** Told once when a server is away, and once when it answers again. */
  tell?: (news: ServerNews) => void
}

export interface ServerNews {
  code: 'server-away' | 'server-back'
  message: string
}

/** A server that is away, in words. */
export interface Away {
  /** At the start of a sentence, such as `The database server`. */
  server: string
  /** A sentence: what is wrong. */
  sentence: string
  /** How long it asks to be left alone. Where that is longer than anybody waits, it is not waited for. */
  afterMs?: number
}

/**
 * Asks until there is an answer, or the server was away for too long.
 *
 * @param awayOf undefined for an error that says something else than that the server is away: it is thrown at once
 * @throws what `ask` threw last
 */
export type Patience = <T>(ask: () => Promise<T>, awayOf: (error: unknown) => Away | undefined) => Promise<T>

const firstPauseMs = 100
const longestPauseMs = 5_000

/**
 * Patience with one server. Whoever asks it waits on their own, so that one request that can never succeed is given up
 * even while others do; but what is said is said once for all of them.
 *
 * Pauses grow, and are random between nothing and their bound ("full jitter"): many clients of a server that comes back
 * do not all ask at the same moment.
 */
export function patience({ forMs, signal, tell = () => {} }: PatienceOptions): Patience {
  // One for each who waits. Not 0: getMaxListeners() of Node 20, which undici calls, then takes a signal for none.
  if (signal) setMaxListeners(Number.MAX_SAFE_INTEGER, signal)
  let waiting = 0
  let isTold = false
  // After somebody waited in vain, nobody else does until the server answers.
  let isGivenUp = forMs <= 0
  const away = ({ server, sentence }: Away) => {
    if (isTold) return
    isTold = true
    tell({
      code: 'server-away',
      message: `${sentence} Waiting up to ${durationText(forMs)} for ${lowerFirst(server)}.`,
    })
  }
  const back = ({ server }: Away) => {
    if (!isTold) return
    isTold = false
    tell({ code: 'server-back', message: `${server} answers again.` })
  }

  const rest = async (pauses: number, until: number, afterMs: number) => {
    const bound = Math.min(longestPauseMs, firstPauseMs * 2 ** pauses)
    const pauseMs = afterMs + Math.min(Math.random() * bound, until - afterMs - Date.now())
    await sleep(pauseMs, undefined, { signal }).catch(() => {})
  }

  return async (ask, awayOf) => {
    let outcome = await attempt(ask)
    let reason: Away | undefined
    const until = Date.now() + forMs
    waiting++
    try {
      for (let pauses = 0; 'error' in outcome; pauses++) {
        const { error } = outcome
        reason = awayOf(error)
        if (reason === undefined) throw error
        if (Date.now() >= until) isGivenUp = true
        const { afterMs = 0 } = reason
        if (isGivenUp || signal?.aborted || Date.now() + afterMs > until) throw error
        away(reason)
        await rest(pauses, until, afterMs)
        outcome = await attemptUnless(signal, error, ask)
      }
      if (reason) back(reason)
      isGivenUp = forMs <= 0
      return outcome.answer
    } finally {
      if (--waiting === 0) isTold = false
    }
  }
}

async function attempt<T>(ask: () => Promise<T>): Promise<{ answer: T } | { error: unknown }> {
  try {
    return { answer: await ask() }
  } catch (error) {
    return { error }
  }
}

/** Asks as `attempt` does, but fails with an earlier error when the signal aborts: a silent server must not keep a person. */
async function attemptUnless<T>(
  signal: AbortSignal | undefined,
  error: unknown,
  ask: () => Promise<T>,
): Promise<{ answer: T } | { error: unknown }> {
  if (!signal) return attempt(ask)
  if (signal.aborted) return { error }
  const settled = new AbortController()
  const aborted = once(signal, 'abort', { signal: settled.signal }).then(
    () => ({ error }),
    () => ({ error }),
  )
  return Promise.race([attempt(ask), aborted]).finally(() => settled.abort())
}

/** `2 minutes`, `90 seconds`. */
function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  const [count, unit] = seconds % 60 === 0 ? [seconds / 60, 'minute'] : [seconds, 'second']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
