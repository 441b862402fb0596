/** Verdicts and versions, and how they are taken back. */
import { useCallback, useRef } from 'preact/hooks'
import type { Tile, Verdict } from '../contract.ts'
import type { ReviewSource } from './source.ts'
import type { TileList } from './tile-list.ts'
import { nameOf, verdictWords } from './words.ts'

interface Undoable {
  /** Said when it is undone. */
  what: string
  undo: () => Promise<void>
}

interface Judging {
  source: ReviewSource
  list: TileList
  tell: (text: string) => void
  fail: (error: unknown) => void
}

export function useJudging({ source, list, tell, fail }: Judging) {
  const undoables = useRef<Undoable[]>([])
  const say = useCallback(
    (tile: Tile, verdict: Verdict, note: string): Promise<void> => {
      // It shows at once; should it not be kept, it is taken back with a word of why.
      list.change(tile.jobId, { verdict })
      return source.judge(tile.jobId, verdict, note).then(
        () => {},
        (error) => {
          list.change(tile.jobId, { verdict: tile.verdict })
          fail(error)
        },
      )
    },
    [source, list, fail],
  )
  const judge = useCallback(
    (tile: Tile, verdict: Verdict, note = '') => {
      const undo = () => say({ ...tile, verdict }, tile.verdict, '')
      undoables.current.push({ what: `${nameOf(tile)} is ${verdictWords[tile.verdict]} again`, undo })
      tell(`${nameOf(tile)}: ${verdictWords[verdict]}`)
      void say(tile, verdict, note)
    },
    [say, tell],
  )
  const undo = useCallback(async () => {
    const last = undoables.current.pop()
    if (!last) return tell('There is nothing to undo.')
    await last.undo().then(() => tell(last.what), fail)
  }, [tell, fail])
  /** Shows a version in the place of another. */
  const replace = useCallback(
    (from: string, to: string, what: string) => {
      const put = (jobId: string, by: string) => list.change(jobId, { jobId: by, verdict: 'open' })
      put(from, to)
      undoables.current.push({
        what: 'The version before is back',
        undo: async () => {
          await source.putBack(to, from)
          put(to, from)
        },
      })
      tell(what)
    },
    [list, source, tell],
  )
  return { judge, undo, replace }
}
