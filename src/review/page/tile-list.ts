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
  /** Fetches the page of a job, and what lies beyond where the end of what is counted comes near. */
  want(index: number): void
  /** The job, once its page is there; undefined behind the last one. */
  get(index: number): Promise<Tile | undefined>
  /** Another job in the place of one, or another verdict on it. */
  change(jobId: string, to: Partial<Tile>): void
}

/**
 * The first page comes at once; where the others begin is asked meanwhile.
 *
 * @param onChange told of every page that has come
 * @param onError told why one has not
 */
export function openTileList(
  source: ReviewSource,
  shown: Shown,
  onChange: () => void,
  onError: (error: unknown) => void,
): TileList {
  const pages = new Map<number, Tile[]>()
  const asked = new Map<number, Promise<void>>()
  /** Of the page after each. */
  const places: (string | undefined)[] = [undefined]
  let pageSize = 0
  let counted = 0
  let isAll = false
  let counting: Promise<void> | undefined

  const first = (async () => {
    const { jobs, next } = await source.page(shown, undefined)
    pages.set(0, jobs)
    pageSize = Math.max(jobs.length, 1)
    counted = jobs.length
    isAll = next === undefined
    if (next !== undefined) places.push(next)
    onChange()
    if (!isAll) count()
  })()
  first.catch(onError)

  function count(): void {
    counting ??= (async () => {
      const from = counted > pageSize ? places.at(-1) : undefined
      const before = from === undefined ? 0 : counted
      const more = await source.places(shown, from)
      if (from === undefined) places.length = 1
      places.push(...more.places)
      counted = before + more.jobs
      isAll = more.isAll
      onChange()
    })()
    counting.catch(onError).finally(() => {
      counting = undefined
    })
  }

  function load(page: number): Promise<void> {
    const running = asked.get(page)
    if (running) return running
    const place = places[page]
    if (pages.has(page) || place === undefined) return Promise.resolve()
    const loading = (async () => {
      const { jobs } = await source.page(shown, place)
      // What has been judged since no longer comes, and lets jobs of the next page move up.
      const elsewhere = new Set([...pages.values()].flat().map(({ jobId }) => jobId))
      pages.set(
        page,
        jobs.filter(({ jobId }) => !elsewhere.has(jobId)),
      )
      onChange()
    })()
    asked.set(page, loading)
    loading.catch((error) => {
      asked.delete(page)
      onError(error)
    })
    return loading
  }

  const at = (index: number): Tile | undefined =>
    pageSize === 0 ? undefined : pages.get(Math.floor(index / pageSize))?.[index % pageSize]

  return {
    length: () => counted,
    isCounted: () => isAll,
    at,
    want: (index) => {
      if (pageSize === 0 || index < 0 || index >= counted) return
      void load(Math.floor(index / pageSize)).catch(() => {})
      if (!isAll && index > counted - 10 * pageSize && counted > pageSize) count()
    },
    get: async (index) => {
      await first
      if (index >= pageSize && !isAll) await counting
      if (index < 0 || index >= counted) return undefined
      await load(Math.floor(index / pageSize))
      return at(index)
    },
    change: (jobId, to) => {
      for (const tiles of pages.values()) {
        const place = tiles.findIndex((tile) => tile.jobId === jobId)
        const tile = tiles[place]
        if (tile) tiles[place] = { ...tile, ...to }
      }
      onChange()
    },
  }
}
