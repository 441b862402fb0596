import { describe, expect, it } from 'vitest'
import { type Arrival, openArrivals } from '../../../src/process/watch/arrivals.ts'
import { openBell } from '../../../src/process/watch/bell.ts'
import { openListing } from '../../../src/process/watch/listing.ts'

const never = new AbortController().signal

function arrival(key: string, settled: string[] = []): Arrival {
  return {
    ...{ bucket: 'shop', keys: [key], message: { id: key } },
    settle: (settlement) => settled.push(`${key} ${settlement}`),
  }
}

describe('arrivals', () => {
  it('wait once each, oldest first, and all who told of one are told what became of it', () => {
    const settled: string[] = []
    let rings = 0
    const arrivals = openArrivals(2, () => rings++)
    arrivals.add(arrival('a', settled))
    expect(arrivals.hasRoom()).toBe(true)
    arrivals.add(arrival('b', settled))
    arrivals.add(arrival('a', settled))
    expect([arrivals.waiting, arrivals.hasRoom(), rings]).toEqual([2, false, 3])
    const [first, ...others] = arrivals.take(1)
    expect([first?.keys, others]).toEqual([['a'], []])
    first?.settle('complete')
    expect(settled).toEqual(['a complete', 'a complete'])
    // While it is in work, the next notification of it is news.
    arrivals.add(arrival('a', settled))
    expect(arrivals.take(10).map(({ keys: [key] }) => key)).toEqual(['b', 'a'])
    expect(arrivals.waiting).toBe(0)
  })
})

describe('a bell', () => {
  it('wakes who waits, also if it rang before, and who is to end', async () => {
    const bell = openBell()
    bell.ring()
    await bell.rung(never)
    const waiting = bell.rung(never)
    bell.ring()
    await waiting
    const ending = new AbortController()
    const ended = bell.rung(ending.signal)
    ending.abort()
    await ended
    await bell.rung(ending.signal)
  })
})

describe('a listing', () => {
  /** Pages of numbers; each is made when it is asked for. */
  function listed(pages: number, size: number, everyMs?: number) {
    let made = 0
    const ending = new AbortController()
    const bell = openBell()
    const listing = openListing<number>({
      list: async function* () {
        for (let page = 0; page < pages; page++) yield Array.from({ length: size }, () => made++)
      },
      ...{ everyMs, signal: ending.signal, onItems: bell.ring },
    })
    return { listing, bell, ending, made: () => made }
  }

  it('is a page or two ahead of who takes from it, however long it is', async () => {
    const { listing, bell, made } = listed(1000, 400)
    let taken = 0
    while (taken < 20_000) {
      await bell.rung(never)
      expect(made()).toBeLessThanOrEqual(taken + 1200)
      for (let some = listing.take(500); some.length > 0; some = listing.take(500)) taken += some.length
    }
    expect(listing.round).toBe(1)
  })

  it('gives back what was not taken after all, in its order', async () => {
    const { listing } = listed(1, 10)
    await listing.ended
    const [first, ...others] = listing.take(4)
    listing.giveBack(others)
    expect([first, listing.take(100)]).toEqual([0, [1, 2, 3, 4, 5, 6, 7, 8, 9]])
    expect(listing.hasItems).toBe(false)
  })

  it('begins anew, until it is ended', async () => {
    const { listing, bell, ending } = listed(1, 1, 1)
    for (let round = 1; round <= 3; round++) {
      await bell.rung(never)
      expect(listing.take(10).length).toBeGreaterThan(0)
    }
    expect(listing.round).toBeGreaterThan(1)
    ending.abort()
    await listing.ended
  })

  it('tells what went wrong, unless it was to end', async () => {
    const failing = async function* (): AsyncGenerator<number[]> {
      yield* []
      throw new Error('away')
    }
    const open = (signal: AbortSignal) =>
      openListing({ list: failing, everyMs: undefined, signal, onItems: () => {} })
    await expect(open(never).ended).rejects.toThrow('away')
    await open(AbortSignal.abort()).ended
  })
})
