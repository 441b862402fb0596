/** The jobs of a grid, of which only the pages that are looked at are fetched. */
import type { Shown, Tile } from '../contract.ts'
import type { ReviewSource } from './source.ts'

export interface TileList {
  /** Jobs that are known to be there. */
  length(): number
  /** Whether all jobs are counted. */
  isCounted(): boolean
  /** Undefined until its page is there. */
  at(index: number): Tile | undefined
  /** Fetches the page of a job, and counts on where the end of what is counted comes near. */
  want(index: number): void
  /** The job, once its page is there; undefined behind the last one. */
  get(index: number): Promise<Tile | undefined>
  /** Another job in the place of one, or another verdict on it. */
  change(jobId: string, to: Partial<Tile>): void
}

/** So many jobs are counted without being asked for. */
const countedAtFirst = 100_000

interface Told {
  /** Another one asks everything anew. */
  round?: number
  onChange: () => void
  onError: (error: unknown) => void
}

/** The first page comes at once; where the others begin is asked meanwhile. */
export function openTileList(source: ReviewSource, shown: Shown, told: Told): TileList {
  const pages = new Map<number, Tile[]>()
  const asked = new Map<number, Promise<void>>()
  let pageSize = 0
  const places = openPlaces((after) => source.places(shown, after), told)

  const first = (async () => {
    const { jobs, next } = await source.page(shown, undefined)
    pages.set(0, jobs)
    pageSize = Math.max(jobs.length, 1)
    places.begin(jobs.length, next)
    told.onChange()
  })()
  first.catch(told.onError)

  function load(page: number): Promise<void> {
    const running = asked.get(page)
    if (running) return running
    const place = places.of(page)
    if (pages.has(page) || place === undefined) return Promise.resolve()
    const loading = (async () => {
      const { jobs } = await source.page(shown, place)
      // What has been judged since no longer comes, and lets jobs of the next page move up.
      const elsewhere = new Set([...pages.values()].flat().map(({ jobId }) => jobId))
      pages.set(
        page,
        jobs.filter(({ jobId }) => !elsewhere.has(jobId)),
      )
      told.onChange()
    })()
    asked.set(page, loading)
    loading.catch((error) => {
      asked.delete(page)
      told.onError(error)
    })
    return loading
  }

  const at = (index: number): Tile | undefined =>
    pageSize === 0 ? undefined : pages.get(Math.floor(index / pageSize))?.[index % pageSize]

  return {
    length: places.jobs,
    isCounted: places.areAll,
    at,
    want: (index) => {
      if (pageSize === 0 || index < 0 || index >= places.jobs()) return
      void load(Math.floor(index / pageSize)).catch(() => {})
      if (index > places.jobs() - 10 * pageSize) void places.more().catch(() => {})
    },
    get: async (index) => {
      await first
      if (index >= places.jobs()) await places.more()
      if (index < 0 || index >= places.jobs()) return undefined
      await load(Math.floor(index / pageSize))
      return at(index)
    },
    change: (jobId, to) => {
      for (const tiles of pages.values()) {
        const place = tiles.findIndex((tile) => tile.jobId === jobId)
        const tile = tiles[place]
        if (tile) tiles[place] = { ...tile, ...to }
      }
      told.onChange()
    },
  }
}

/** Where pages begin, and how many jobs that are. */
function openPlaces(ask: (after: string | undefined) => ReturnType<ReviewSource['places']>, told: Told) {
  /** Of the page after each. */
  const places: (string | undefined)[] = [undefined]
  let counted = 0
  let isAll = false
  let begun = false
  let counting: Promise<void> | undefined

  async function count(): Promise<void> {
    // The first answer begins at the first page, whose end is known already.
    const after = begun ? places.at(-1) : undefined
    const more = await ask(after)
    if (!begun) {
      places.length = 1
      counted = 0
    }
    begun = true
    places.push(...more.places)
    counted += more.jobs
    isAll = more.isAll
    told.onChange()
  }

  function more(): Promise<void> {
    if (isAll) return Promise.resolve()
    counting ??= count().finally(() => {
      counting = undefined
    })
    return counting
  }

  return {
    /** @param next where the second page begins, if there is one */
    begin: (jobs: number, next: string | undefined) => {
      counted = jobs
      isAll = next === undefined
      if (next !== undefined) places.push(next)
      const countOn = async () => {
        while (!isAll && counted < countedAtFirst) await more()
      }
      countOn().catch(told.onError)
    },
    more,
    /** Of the page with this number, from 0; undefined for the first one, and where that is not known yet. */
    of: (page: number) => places[page],
    jobs: () => counted,
    areAll: () => isAll,
  }
}
