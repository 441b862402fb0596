/** The grid of all cut-outs, and the large view of one of them. */
import type { ComponentChildren } from 'preact'
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks'
import type { SaidVerdict, Shown, Start, Tile } from '../contract.ts'
import { Grid } from './grid.tsx'
import { Help } from './help.tsx'
import { useJudging } from './judging.ts'
import { useKeys } from './keys.ts'
import { type ReviewSource, verdictFile } from './source.ts'
import { openTileList, type TileList } from './tile-list.ts'
import { Viewer } from './viewer.tsx'
import { countText, shownWords } from './words.ts'

/** How often it is asked what others have said, in milliseconds. */
const newsMs = 4000

export function App({ source, said }: { source: ReviewSource; said: Map<string, SaidVerdict> }) {
  const [start, setStart] = useState<Start>()
  const [shown, setShown] = useState<Shown>('open')
  const [round, setRound] = useState(0)
  const [changes, setChanges] = useState(0)
  const [opened, setOpened] = useState<number>()
  const [focus, setFocus] = useState(0)
  const [isHelpOpen, setHelpOpen] = useState(false)
  const { message, failure, tell, fail } = useMessages()

  // Another round asks everything anew.
  const list = useMemo(
    () =>
      openTileList(source, shown, { onChange: () => setChanges((count) => count + 1), onError: fail, round }),
    [source, shown, round, fail],
  )
  useEffect(() => void source.start().then(setStart, fail), [source, fail])
  useNews(source, list.change, fail)
  const { judge, undo, replace } = useJudging({ source, list, tell, fail })

  const isOpen = opened !== undefined
  useKeys({ '?': () => setHelpOpen(true), ...(!isOpen && { u: () => void undo() }) })
  const show = (wanted: Shown) => {
    setShown(wanted)
    setFocus(0)
    setRound((count) => count + 1)
  }
  const close = () => {
    if (opened !== undefined) setFocus(opened)
    setOpened(undefined)
  }
  const shared = { list, source, changes, onJudge: judge }
  return (
    <>
      <GridBar isHidden={isOpen} shown={shown} onShow={show} list={list} start={start}>
        <button type="button" onClick={() => void undo()} title="U">
          Undo
        </button>
        {source.isLive ? null : <SaveVerdicts said={said} changes={changes} />}
        <button type="button" onClick={() => setHelpOpen(true)} title="?">
          Keys
        </button>
      </GridBar>
      <main>
        <Grid {...shared} focus={focus} isHidden={isOpen} onFocus={setFocus} onOpen={setOpened} />
        {opened === undefined ? null : (
          <Viewer
            {...shared}
            start={start}
            index={opened}
            onMove={setOpened}
            onClose={close}
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
      {failure ? <Failure text={failure} onClose={() => tell('')} /> : null}
      <Help isOpen={isHelpOpen} isLive={source.isLive} onClose={() => setHelpOpen(false)} />
    </>
  )
}

function useMessages() {
  const [message, setMessage] = useState('')
  const [failure, setFailure] = useState('')
  const fail = useCallback(
    (error: unknown) => setFailure(error instanceof Error ? error.message : String(error)),
    [],
  )
  const tell = useCallback((text: string) => {
    setFailure('')
    setMessage(text)
  }, [])
  return { message, failure, tell, fail }
}

const Failure = ({ text, onClose }: { text: string; onClose: () => void }) => (
  <p class="failure" role="alert">
    {text}{' '}
    <button type="button" onClick={onClose}>
      Close
    </button>
  </p>
)

interface GridBarProps {
  isHidden: boolean
  shown: Shown
  onShow: (shown: Shown) => void
  list: TileList
  start: Start | undefined
  children: ComponentChildren
}

const GridBar = ({ isHidden, shown, onShow, list, start, children }: GridBarProps) => (
  <header class="bar" hidden={isHidden}>
    <h1>Review</h1>
    <fieldset class="choice">
      <legend class="unseen">Show</legend>
      {(Object.keys(shownWords) as Shown[]).map((each) => (
        <label key={each}>
          <input type="radio" name="shown" checked={shown === each} onChange={() => onShow(each)} />
          <span>{shownWords[each]}</span>
        </label>
      ))}
    </fieldset>
    <p class="count">
      {countText(list.length(), 'cut-out')}
      {list.isCounted() ? '' : ' and more'}
      {start?.filters ? <span class="filters"> of {start.filters}</span> : null}
    </p>
    <span class="tools">{children}</span>
  </header>
)

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
  // The map is the same one when something has been said.
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
