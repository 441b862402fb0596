/** The list of a bucket as the safety net of its notifications: again and again, a page ahead of the work. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface ListingOptions<Item> {
  /** All that is there, page by page. */
  list: (signal: AbortSignal) => AsyncIterable<readonly Item[]>
  /** From the begin of one list to the begin of the next, in milliseconds; undefined: there is one list only. */
  everyMs: number | undefined
  signal: AbortSignal
  /** Told when there is something to take. */
  onItems: () => void
}

export interface Listing<Item> {
  /** Lists so far, the one that goes on included. */
  readonly round: number
  readonly hasItems: boolean
  /** @returns up to so many of what was listed and not taken yet */
  take(most: number): Item[]
  /** To be taken first. */
  giveBack(items: readonly Item[]): void
  /** Resolves when there is no list any more, because it was the only one or the signal aborts. */
  readonly ended: Promise<void>
}

/** The next page is asked for when no more than so many items wait. */
const fewItems = 500

/** @returns a listing that goes on by itself; `ended` rejects with what a list throws */
export function openListing<Item>({ list, everyMs, signal, onItems }: ListingOptions<Item>): Listing<Item> {
  let items: Item[] = []
  let round = 0
  let makeRoom = () => {}
  const room = async () => {
    while (items.length > fewItems && !signal.aborted) {
      await new Promise<void>((resolve) => {
        makeRoom = resolve
        signal.addEventListener('abort', makeRoom, { once: true })
      })
      signal.removeEventListener('abort', makeRoom)
    }
  }
  const goOn = async () => {
    while (!signal.aborted) {
      const startedAt = performance.now()
      round++
      for await (const page of list(signal)) {
        items.push(...page)
        if (page.length > 0) onItems()
        await room()
        if (signal.aborted) return
      }
      if (everyMs === undefined) return
      const pauseMs = Math.max(0, startedAt + everyMs - performance.now())
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  return {
    get round() {
      return round
    },
    get hasItems() {
      return items.length > 0
    },
    take: (most) => {
      const taken = items.slice(0, most)
      items = items.slice(taken.length)
      makeRoom()
      return taken
    },
    giveBack: (given) => {
      items = [...given, ...items]
    },
    ended: goOn().catch((error) => {
      if (!signal.aborted) throw error
    }),
  }
}
