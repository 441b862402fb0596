/**
 * One listing of a bucket by many at once. The keys are ranges, in the order of their bytes; a range that is long is cut
 * where a folder begins, and somebody who is free reads on from there. Where a level has no more folders it stays one
 * range, and is read flat.
 */
import { setMaxListeners } from 'node:events'
import type { InputBucket, ListedObject } from '../../store/input-bucket.ts'

/** Where a listing stands, as data: what is kept of it later goes on from here. No ranges: it is at its end. */
export interface ListingCursor {
  ranges: KeyRange[]
}

export interface KeyRange {
  /** The last key that was given; empty: none. */
  after: string
  /** The last key that belongs to it; absent: it goes on to the end. */
  until?: string
}

export interface ListingPage {
  /** Up to a thousand, in the order of their keys. Those of one range follow each other; ranges take turns. */
  objects: ListedObject[]
  /** Where the listing stands behind this page. */
  cursor: ListingCursor
}

export interface ListingOptions {
  /** Requests at once. */
  listers?: number
  /** Where another listing of the same prefix stood. */
  from?: ListingCursor | undefined
  signal?: AbortSignal | undefined
}

/** Requests at once, unless somebody says otherwise. */
const usualListers = 16
/** After a cut was looked for in vain, so many pages are read before the next look. */
const pagesBetweenLooks = 4

interface Range {
  /** The last key that was given. */
  given: string
  /** The last key that was read. */
  read: string
  until: string | undefined
  isBusy: boolean
  isRead: boolean
  /** Read and not given yet. */
  waiting: ListedObject[] | undefined
  pages: number
  /** How many pages it has to have before a cut is looked for. */
  looksAt: number
}

/**
 * Lists all objects below a prefix, each once, page by page. Memory is bounded by the requests at once, however many
 * objects there are. Nothing is asked for ahead of what is taken, but one page for each range.
 *
 * @throws RmbgError of family `store`
 */
export async function* listInParallel(
  bucket: Pick<InputBucket, 'page'>,
  prefix: string,
  { listers = usualListers, from, signal }: ListingOptions = {},
): AsyncGenerator<ListingPage> {
  const ended = new AbortController()
  const stop = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal
  setMaxListeners(0, stop) // one for each request
  const ranges = (from?.ranges ?? [{ after: '' }]).map(({ after, until }) => rangeOf(after, until))
  const work = new Set<Promise<void>>()
  let failure: { reason: unknown } | undefined
  const begin = (task: Promise<void>) => {
    const begun: Promise<void> = task
      .catch((reason) => {
        failure ??= { reason }
      })
      .finally(() => work.delete(begun))
    work.add(begun)
  }
  const startWork = () => {
    for (const range of ranges) {
      if (work.size >= listers) return
      if (!range.isBusy && !range.isRead && !range.waiting) begin(readOn(bucket, prefix, range, stop))
    }
    const longest = work.size < listers && ranges.find(isWorthCutting)
    if (longest) begin(cut(bucket, prefix, { longest, ranges, into: listers - work.size + 1, stop }))
  }
  try {
    for (;;) {
      startWork()
      const range = ranges.find(({ waiting }) => waiting)
      if (failure) throw failure.reason
      if (range?.waiting) {
        const objects = range.waiting
        range.waiting = undefined
        range.given = range.read
        if (range.isRead) ranges.splice(ranges.indexOf(range), 1)
        else {
          // To the end, so that all get their turn.
          ranges.push(...ranges.splice(ranges.indexOf(range), 1))
        }
        startWork()
        yield { objects, cursor: cursorOf(ranges) }
      } else if (work.size === 0) return
      else await Promise.race(work)
    }
  } finally {
    ended.abort()
    await Promise.all(work)
  }
}

const rangeOf = (after: string, until: string | undefined): Range => ({
  ...{ given: after, read: after, until, isBusy: false, isRead: false, waiting: undefined },
  ...{ pages: 0, looksAt: 1 },
})

const cursorOf = (ranges: readonly Range[]): ListingCursor => ({
  ranges: ranges.map(({ given, until }) => ({ after: given, ...(until !== undefined && { until }) })),
})

async function readOn(
  bucket: Pick<InputBucket, 'page'>,
  prefix: string,
  range: Range,
  signal: AbortSignal,
): Promise<void> {
  range.isBusy = true
  const { objects, isCut } = await bucket.page({ prefix, after: range.read }, signal)
  range.isBusy = false
  range.pages++
  // It may have been cut meanwhile.
  const own = objects.filter(({ key }) => isWithin(key, range))
  const last = own.at(-1)
  range.isRead = !isCut || own.length < objects.length || last === undefined
  range.read = last?.key ?? range.read
  range.waiting = own
}

const isWithin = (key: string, { until }: Pick<Range, 'until'>): boolean =>
  until === undefined || !isBehind(key, until)

const isWorthCutting = ({ isRead, pages, looksAt }: Range): boolean => !isRead && pages >= looksAt

interface Cutting {
  longest: Range
  ranges: Range[]
  /** Parts, with the one that stays. */
  into: number
  stop: AbortSignal
}

/** Folders that begin behind what was read: the topmost ones that there are. */
async function cut(
  bucket: Pick<InputBucket, 'page'>,
  prefix: string,
  { longest, ranges, into, stop }: Cutting,
): Promise<void> {
  longest.looksAt = Number.POSITIVE_INFINITY
  for (const folder of foldersOf(longest.read, prefix)) {
    const { folders } = await bucket.page({ prefix: folder, after: longest.read, byFolder: true }, stop)
    const places = folders.filter(
      (place) => isBehind(place, longest.read) && isWithin(place, longest) && place !== longest.until,
    )
    if (longest.isRead) return
    if (places.length === 0) continue
    const step = Math.max(1, places.length / Math.max(1, into - 1))
    const chosen = Array.from({ length: Math.min(into - 1, places.length) }, (_, index) =>
      String(places[Math.floor(index * step)]),
    )
    const ends = [...chosen.slice(1), longest.until]
    longest.until = chosen[0]
    ranges.push(...chosen.map((after, index) => rangeOf(after, ends[index])))
    break
  }
  longest.looksAt = longest.pages + pagesBetweenLooks
}

/** The prefix itself, and the folders below it that a key lies in, from the top. */
function foldersOf(key: string, prefix: string): string[] {
  const folders = [prefix]
  for (let at = key.indexOf('/', prefix.length); at !== -1; at = key.indexOf('/', at + 1)) {
    if (at + 1 > prefix.length) folders.push(key.slice(0, at + 1))
  }
  return folders
}

/** As S3 orders keys, which is not that of the units of UTF-16. */
const isBehind = (key: string, other: string): boolean =>
  Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0
