/** The grid of all cut-outs, and the large view of one of them. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { SaidVerdict, Shown, Start, Tile, Verdict } from '../contract.ts'
import { Grid } from './grid.tsx'
import { Help } from './help.tsx'
import { useKeys } from './keys.ts'
import { type ReviewSource, verdictFile } from './source.ts'
import { openTileList } from './tile-list.ts'
import { Viewer } from './viewer.tsx'
import { countText, nameOf, shownWords, verdictWords } from './words.ts'

/** How often it is asked what others have said, in milliseconds. */
const newsMs = 4000

interface Undoable {
  what: string
  undo: () => Promise<void>
}

export function App({ source, said }: { source: ReviewSource; said: Map<string, SaidVerdict> }) {
  const [start, setStart] = useState<Start>()
  const [shown, setShown] = useState<Shown>('open')
  const [round, setRound] = useState(0)
  const [changes, setChanges] = useState(0)
  const [opened, setOpened] = useState<number>()
  const [focus, setFocus] = useState(0)
  const [message, setMessage] = useState('')
  const [failure, setFailure] = useState('')
  const [isHelpOpen, setHelpOpen] = useState(false)
  const undoables = useRef<Undoable[]>([])

  const fail = useCallback(
    (error: unknown) => setFailure(error instanceof Error ? error.message : String(error)),
    [],
  )
  const tell = useCallback((text: string) => {
    setFailure('')
    setMessage(text)
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks everything anew
  const list = useMemo(
    () => openTileList(source, shown, { onChange: () => setChanges((count) => count + 1), onError: fail }),
    [source, shown, round, fail],
  )
  useEffect(() => void source.start().then(setStart, fail), [source, fail])
  useNews(source, list.change, fail)

  const say = useCallback(
    async (tile: Tile, verdict: Verdict, note: string) => {
      await source.judge(tile.jobId, verdict, note)
      list.change(tile.jobId, { verdict })
    },
    [source, list],
  )
  /** Judges and tells; what it was before can be had back. */
  const judge = useCallback(
    async (tile: Tile, verdict: Verdict, note = '') => {
      const before = tile.verdict
      try {
        await say(tile, verdict, note)
        undoables.current.push({
          what: `${nameOf(tile)} is ${verdictWords[before]} again`,
          undo: () => say(tile, before, ''),
        })
        tell(`${nameOf(tile)}: ${verdictWords[verdict]}`)
        return true
      } catch (error) {
        fail(error)
        return false
      }
    },
    [say, tell, fail],
  )
  const undo = useCallback(async () => {
    const last = undoables.current.pop()
    if (!last) return tell('There is nothing to undo.')
    try {
      await last.undo()
      tell(last.what)
    } catch (error) {
      fail(error)
    }
  }, [tell, fail])

  /** A version in the place of another, which can be had back. */
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

  useKeys({
    '?': () => setHelpOpen(true),
    ...(opened === undefined && { u: () => void undo() }),
  })
  const show = (wanted: Shown) => {
    setShown(wanted)
    setFocus(0)
    setRound((count) => count + 1)
  }
  const close = () => {
    if (opened !== undefined) setFocus(opened)
    setOpened(undefined)
  }

  return (
    <>
      <header class="bar" hidden={opened !== undefined}>
        <h1>Review</h1>
        <fieldset class="choice">
          <legend class="unseen">Show</legend>
          {(Object.keys(shownWords) as Shown[]).map((each) => (
            <label key={each}>
              <input type="radio" name="shown" checked={shown === each} onChange={() => show(each)} />
              <span>{shownWords[each]}</span>
            </label>
          ))}
        </fieldset>
        <p class="count">
          {countText(list.length(), 'cut-out')}
          {list.isCounted() ? '' : ' and more'}
          {start?.filters ? <span class="filters"> of {start.filters}</span> : null}
        </p>
        <span class="tools">
          <button type="button" onClick={() => void undo()} title="U">
            Undo
          </button>
          {source.isLive ? null : <SaveVerdicts said={said} changes={changes} />}
          <button type="button" onClick={() => setHelpOpen(true)} title="?">
            Keys
          </button>
        </span>
      </header>
      <main>
        <Grid
          list={list}
          source={source}
          changes={changes}
          focus={focus}
          isHidden={opened !== undefined}
          onFocus={setFocus}
          onOpen={setOpened}
          onJudge={judge}
        />
        {opened === undefined ? null : (
          <Viewer
            list={list}
            source={source}
            start={start}
            index={opened}
            changes={changes}
            onMove={setOpened}
            onClose={close}
            onJudge={judge}
            onReplace={replace}
            onUndo={undo}
            onFail={fail}
            onHelp={() => setHelpOpen(true)}
          />
        )}
      </main>
      <p class="message" role="status">
        {message}
      </p>
      {failure ? (
        <p class="failure" role="alert">
          {failure}{' '}
          <button type="button" onClick={() => setFailure('')}>
            Close
          </button>
        </p>
      ) : null}
      <Help isOpen={isHelpOpen} isLive={source.isLive} onClose={() => setHelpOpen(false)} />
    </>
  )
}

/** What others say shows up without asking for the page again. */
function useNews(
  source: ReviewSource,
  change: (jobId: string, to: Partial<Tile>) => void,
  onError: (error: unknown) => void,
) {
  useEffect(() => {
    if (!source.isLive) return
    let last: number | undefined
    let isAsking = false
    const look = async () => {
      if (isAsking || document.hidden) return
      isAsking = true
      try {
        const news = await source.news(last)
        last = news.last
        for (const { jobId, verdict } of news.verdicts) change(jobId, { verdict })
      } catch (error) {
        onError(error)
      } finally {
        isAsking = false
      }
    }
    void look()
    const timer = setInterval(look, newsMs)
    return () => clearInterval(timer)
  }, [source, change, onError])
}

function SaveVerdicts({ said, changes }: { said: Map<string, SaidVerdict>; changes: number }) {
  const [url, setUrl] = useState('')
  // biome-ignore lint/correctness/useExhaustiveDependencies: the map is the same one when it has changed
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([verdictFile(said)], { type: 'application/json' }))
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [said, changes])
  return (
    <a class="button" href={url} download="verdicts.json">
      Save verdicts ({said.size})
    </a>
  )
}
