/**
 * Runs that share a list do not read what another one has taken: inputs are reserved some at a time, before anything of
 * them is read. A run alone takes them in their order. Where another run has taken some, each goes on in an order of its
 * own within a window, so that they seldom ask for the same.
 */
import { randomInt } from 'node:crypto'
import {
  releaseSourceClaims,
  renewSourceClaims,
  reserveSources,
  type SourceState,
  sourceKey,
} from '../database/source-claims.ts'
import type { Batch, Image, ReadableImage } from './contract.ts'
import { keptOf } from './reference.ts'

/** Images that a run which shares its list chooses from. */
const windowImages = 4000
/** Reserved at once, whatever the speed: what is reserved and waits is out of reach of others. */
const mostReserved = 32
/** Asked about at once. */
const mostAsked = 256

/** What one run has reserved. */
export interface Reservations {
  reserve(images: readonly ReadableImage[], want: number): Promise<SourceState[]>
  /** Called when a run is through with an image, whatever became of it. */
  release(image: Image): void
  /** How many to reserve next: what is done in a second, within bounds. */
  want(): number
  renew(): Promise<void>
  close(): Promise<void>
}

/** @returns undefined where a content has to be read to know its work: then nothing can be reserved */
export function reservationsOf(batch: Batch): Reservations | undefined {
  const { checksum, force, masks, run, database, work, concurrency } = batch
  if (checksum || force || masks === 'from-store') return undefined
  const { sql } = database
  let done: string[] = []
  let isUsed = false
  let releasedAt: number[] = []
  return {
    reserve: async (images, want) => {
      isUsed = true
      const sent = done
      const states = await reserveSources(sql, {
        ...{ run, want, done: sent, fingerprint: work.fingerprint },
        sources: images.map(({ source }) => ({ source, keep: keptOf(batch, source) })),
      })
      done = done.slice(sent.length)
      return states
    },
    release: (image) => {
      if (!('source' in image)) return
      done = [...done, sourceKey(image.source)]
      releasedAt = [...releasedAt, performance.now()].slice(-mostReserved)
    },
    want: () => {
      const inLastSecond = releasedAt.filter((at) => performance.now() - at < 1000).length
      return Math.min(mostReserved, Math.max(concurrency, inLastSecond))
    },
    renew: () => (isUsed ? renewSourceClaims(sql, run) : Promise.resolve()),
    close: async () => {
      // Leases end by themselves where this fails.
      if (isUsed) await releaseSourceClaims(sql, run.id).catch(() => {})
    },
  }
}

/** What becomes of images that this run does not take. */
interface Others {
  /** Another run has done them meanwhile. @returns those on which there is work left all the same */
  onCompleted: (images: readonly ReadableImage[]) => AsyncIterable<ReadableImage>
  /** Another run is working on it. */
  onHeld: (image: Image) => void
}

/** The images of a run that it has reserved, and those of which nothing can be reserved, as they come. */
export async function* reservedImages(
  images: AsyncIterable<Image> | Iterable<Image>,
  reservations: Reservations,
  { onCompleted, onHeld }: Others,
): AsyncGenerator<Image> {
  const window = windowOver(images)
  let ask = 1
  for (;;) {
    const want = reservations.want()
    const asked = Math.min(mostAsked, Math.max(want, Math.round(ask * want)))
    const { chosen, others, isEnd } = await window.next(asked)
    yield* others
    if (chosen.length === 0) {
      if (isEnd) return
      continue
    }
    const states = await reservations.reserve(chosen, want)
    const inState = (wanted: SourceState) => chosen.filter((_, index) => states[index] === wanted)
    const [reserved, held, completed] = [inState('reserved'), inState('held'), inState('completed')]
    if (held.length > 0) window.share()
    window.putBack([...inState('unasked'), ...held])
    if (isEnd && held.length === chosen.length) {
      // Nobody gets on by asking again at once.
      for (const image of window.rest()) onHeld(image)
      return
    }
    if (completed.length > 0) yield* onCompleted(completed)
    ask = nextAsk(ask, { reserved: reserved.length, chosen: chosen.length, want })
    yield* reserved
  }
}

/** Where few of those that were asked about are free, more are asked about at once. */
const nextAsk = (
  ask: number,
  { reserved, chosen, want }: { reserved: number; chosen: number; want: number },
): number => (reserved >= Math.min(want, chosen) ? Math.max(1, ask / 2) : ask * 2)

interface Window {
  /** @returns readable images to ask about, and others that came between; `isEnd` when no more come in */
  next(count: number): Promise<{ chosen: ReadableImage[]; others: Image[]; isEnd: boolean }>
  putBack(images: readonly ReadableImage[]): void
  /** From now on in an order of its own. */
  share(): void
  rest(): ReadableImage[]
}

function windowOver(images: AsyncIterable<Image> | Iterable<Image>): Window {
  const source = iterate(images)
  let waiting: ReadableImage[] = []
  let isShared = false
  let isEnd = false
  return {
    next: async (count) => {
      const others: Image[] = []
      while (!isEnd && waiting.length < (isShared ? windowImages : count)) {
        const { value, done } = await source.next()
        if (done) isEnd = true
        else if ('source' in value && !value.job) waiting.push(value)
        else others.push(value)
        if (others.length > 0) break
      }
      const chosen = isShared ? atRandom(waiting, count) : waiting.splice(0, count)
      return { chosen, others, isEnd }
    },
    putBack: (back) => {
      waiting = isShared ? waiting.concat(back) : [...back, ...waiting]
    },
    share: () => {
      isShared = true
    },
    rest: () => waiting,
  }
}

async function* iterate(images: AsyncIterable<Image> | Iterable<Image>): AsyncGenerator<Image, undefined> {
  yield* images
  return undefined
}

/** Takes some out. */
function atRandom(images: ReadableImage[], count: number): ReadableImage[] {
  const chosen: ReadableImage[] = []
  while (chosen.length < count && images.length > 0) {
    const at = randomInt(images.length)
    const last = images.pop()
    if (last === undefined) break
    const image = images[at] ?? last
    if (at < images.length) images[at] = last
    chosen.push(image)
  }
  return chosen
}
