/** Objects that notifications speak of, and that nobody has looked at yet. */
import type { SpanContext } from '@opentelemetry/api'

export interface Arrival {
  bucket: string
  /** Its key; where nobody can tell whether the sender encoded it, what it may be as well, the likelier one first. */
  keys: readonly [string, ...string[]]
  /** The notification, for those who follow its way. */
  message: { id: string; carrier?: Readonly<Record<string, string>>; received?: SpanContext | undefined }
  /** Told once: it is dealt with for good (`complete`), or somebody has to tell of it again (`release`). */
  settle: (settlement: 'complete' | 'release') => void
}

export interface Arrivals {
  /** How many are waiting. */
  readonly waiting: number
  /** Whether more may come. */
  hasRoom(): boolean
  /** One that waits already is not waited for twice: notifications come twice as a matter of course. */
  add(arrival: Arrival): void
  /** @returns the oldest ones, up to so many; they do not wait any more */
  take(most: number): Arrival[]
}

/**
 * @param most that may wait; of the notification that fills the last place, all are taken
 * @param onArrival told of each one
 */
export function openArrivals(most: number, onArrival: () => void): Arrivals {
  const waiting = new Map<string, Arrival>()
  return {
    get waiting() {
      return waiting.size
    },
    hasRoom: () => waiting.size < most,
    add: (arrival) => {
      const name = `${arrival.bucket}/${arrival.keys[0]}`
      const other = waiting.get(name)
      waiting.set(name, other ? { ...other, settle: both(other, arrival) } : arrival)
      onArrival()
    },
    take: (count) => {
      const taken: Arrival[] = []
      for (const [name, arrival] of waiting) {
        if (taken.length >= count) break
        waiting.delete(name)
        taken.push(arrival)
      }
      return taken
    },
  }
}

const both =
  (one: Arrival, other: Arrival): Arrival['settle'] =>
  (settlement) => {
    one.settle(settlement)
    other.settle(settlement)
  }
