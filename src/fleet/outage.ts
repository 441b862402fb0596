/**
 * Database or store are away, or refuse: nothing is taken until they are there again. That says nothing of the images,
 * so it costs none of them an attempt.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RmbgError } from '../errors.ts'

export interface Outage {
  /** Whether an error is one. */
  is(error: unknown): error is RmbgError
  /** Begins the waiting, unless it has begun. */
  report(error: RmbgError): void
  isWaiting(): boolean
  /** Resolves at once, or when it is over, or when the worker is stopped. */
  over(): Promise<void>
  /** Something has worked: the next outage is waited for from anew. */
  worked(): void
  /** Counts what is under way: it is waited for before anything is tried. */
  during<T>(action: () => Promise<T>): Promise<T>
}

export interface OutageOptions {
  /** Throws while they are away. */
  probe: () => Promise<void>
  /** Lets go of what was begun and not ended, when they are there again. */
  recover: () => Promise<void>
  signal: AbortSignal
  onAway: (error: RmbgError) => void
  onBack: () => void
  pauseMs?: number
}

const longestPauseMs = 60_000

export function watchOutages({
  probe,
  recover,
  signal,
  onAway,
  onBack,
  pauseMs = 1000,
}: OutageOptions): Outage {
  let waiting: Promise<void> | undefined
  let inARow = 0
  let underWay = 0
  let quiet = () => {}
  const pause = (times: number) =>
    sleep(Math.min(pauseMs * 2 ** times, longestPauseMs), undefined, { signal }).catch(() => {})

  async function untilBack(): Promise<void> {
    if (underWay > 0) await new Promise<void>((resolve) => (quiet = resolve))
    for (let times = inARow; !signal.aborted; times++) {
      await pause(times)
      const isBack = await probe().then(
        () => true,
        () => false,
      )
      if (!isBack) continue
      await recover()
      return onBack()
    }
  }

  return {
    is: (error): error is RmbgError => ['database', 'store'].includes((error as RmbgError).family),
    report: (error) => {
      if (waiting || signal.aborted) return
      onAway(error)
      waiting = untilBack().finally(() => {
        inARow++
        waiting = undefined
      })
    },
    isWaiting: () => waiting !== undefined,
    over: async () => {
      // Who was told that it is over may find that it has begun again.
      while (waiting && !signal.aborted) await waiting
    },
    worked: () => {
      inARow = 0
    },
    during: async (action) => {
      underWay++
      try {
        return await action()
      } finally {
        underWay--
        if (underWay === 0) quiet()
      }
    },
  }
}
