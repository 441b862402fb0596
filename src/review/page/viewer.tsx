/** One cut-out, large: to judge it, to make it again, and to mend it. */
import type { RefObject } from 'preact'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Detail, Remade, Start, Tile, Verdict } from '../contract.ts'
import { BrushBench } from './brush-bench.tsx'
import { useKeys } from './keys.ts'
import { RedoForm } from './redo-form.tsx'
import type { ReviewSource } from './source.ts'
import { Stage } from './stage.tsx'
import type { TileList } from './tile-list.ts'
import { nameOf, reasonText, timeText, verdictWords, versionWords } from './words.ts'

interface ViewerProps {
  list: TileList
  source: ReviewSource
  start: Start | undefined
  index: number
  changes: number
  onMove: (index: number) => void
  onClose: () => void
  onJudge: (tile: Tile, verdict: Verdict, note?: string) => void
  /** Another version is in the place of one. */
  onReplace: (from: string, to: string, what: string) => void
  onUndo: () => Promise<void>
  onFail: (error: unknown) => void
  onHelp: () => void
}

type Mode = 'look' | 'redo' | 'brush'

export function Viewer(props: ViewerProps) {
  const { list, source, start, index, onClose, onFail } = props
  const [mode, setMode] = useState<Mode>('look')
  const [note, setNote] = useState('')
  const tile = useTile(list, index, props.changes)
  const { detail, ask } = useDetail(source, tile, list, onFail)
  const heading = useRef<HTMLHeadingElement>(null)
  const done = useCallback(() => setMode('look'), [])
  const { isBusy, remake } = useRemake(props, tile, done)
  useNeighbors(list, source, index)
  // Another picture is told to whoever listens to the page.
  useEffect(() => {
    setMode('look')
    setNote('')
    heading.current?.focus({ preventScroll: true })
  }, [index])

  const { move, judge, undo } = useMoves(props, { tile, note, isBusy, ask })
  const canMend = source.isLive && detail?.kept.mask === true && detail.kept.original
  useKeys({
    a: () => judge('accepted'),
    r: () => judge('rejected'),
    n: () => move(1),
    p: () => move(-1),
    ...(mode !== 'brush' && { ArrowRight: () => move(1), ArrowLeft: () => move(-1), u: () => void undo() }),
    d: () => source.isLive && setMode('redo'),
    b: () => canMend && setMode('brush'),
    Escape: () => (mode === 'look' ? onClose() : done()),
  })
  if (!tile) return <p class="waiting">Loading…</p>
  return (
    <section class="viewer" aria-labelledby="viewer-title" aria-busy={isBusy}>
      <ViewerBar {...props} title={nameOf(tile)} heading={heading} onMoveBy={move} onUndo={undo} />
      <div class="halves">
        {mode === 'brush' && detail ? (
          <BrushBench
            key={tile.jobId}
            detail={detail}
            source={source}
            isBusy={isBusy}
            onSave={(mask) => void remake('Mended.', (jobId) => source.mend(jobId, mask))}
            onCancel={done}
            onFail={onFail}
          />
        ) : (
          <Stage key={tile.jobId} tile={tile} detail={detail} source={source} />
        )}
        <aside class="side">
          <JudgePanel
            {...{ tile, note, isBusy, mode, canMend }}
            isLive={source.isLive}
            onNote={setNote}
            onJudge={judge}
            onMode={setMode}
          />
          {mode === 'redo' && detail ? (
            <RedoForm
              detail={detail}
              models={start?.models ?? []}
              isBusy={isBusy}
              onRedo={(model, changes) =>
                void remake('Made again.', (jobId) => source.redo(jobId, model, changes))
              }
              onCancel={done}
            />
          ) : null}
          {isBusy ? <p role="status">Making the cut-out…</p> : null}
          <h2>Why to look at it</h2>
          <Reasons tile={tile} detail={detail} />
          {detail ? (
            <Facts
              detail={detail}
              isBusy={isBusy}
              onPutBack={(version) => void remake('Put back.', (jobId) => source.putBack(jobId, version))}
            />
          ) : null}
        </aside>
      </div>
    </section>
  )
}

/** What is beside this one is ready when somebody gets there. */
function useNeighbors(list: TileList, source: ReviewSource, index: number): void {
  useEffect(() => {
    for (const near of [index + 1, index - 1]) {
      list.want(near)
      const jobId = list.at(near)?.jobId
      const picture = jobId && source.picture(jobId, 'processed')
      if (picture) new Image().src = picture
    }
  }, [list, source, index])
}

interface Moving {
  tile: Tile | undefined
  note: string
  isBusy: boolean
  ask: () => void
}

function useMoves({ list, index, onMove, onClose, onJudge, onUndo }: ViewerProps, moving: Moving) {
  const { tile, note, isBusy, ask } = moving
  const move = (by: number) => {
    const next = index + by
    if (next >= 0 && next < list.length()) onMove(next)
    else if (next >= list.length()) onClose()
  }
  return {
    move,
    // Nobody waits for the answer: the next one is there at once.
    judge: (verdict: Verdict) => {
      if (!tile || isBusy) return
      onJudge(tile, verdict, note)
      move(1)
    },
    undo: async () => {
      await onUndo()
      ask()
    },
  }
}

/** Waits for what is made, and shows it in the place of what was there, wherever one has gone meanwhile. */
function useRemake({ onReplace, onFail }: ViewerProps, tile: Tile | undefined, onDone: () => void) {
  const [busyJob, setBusyJob] = useState<string>()
  const current = useRef(tile?.jobId)
  current.current = tile?.jobId
  const remake = useCallback(
    async (what: string, make: (jobId: string) => Promise<Remade>) => {
      const jobId = current.current
      if (jobId === undefined) return
      setBusyJob(jobId)
      try {
        const made = await make(jobId)
        if (made.jobId === jobId)
          throw new Error('This version was made just like that: nothing has changed.')
        const files = made.files.length > 0 ? ` ${made.files.join(', ')} holds it now.` : ''
        if (current.current === jobId) onDone()
        onReplace(jobId, made.jobId, `${what}${files}`)
      } catch (error) {
        onFail(error)
      } finally {
        setBusyJob((busy) => (busy === jobId ? undefined : busy))
      }
    },
    [onReplace, onFail, onDone],
  )
  return { isBusy: busyJob !== undefined && busyJob === tile?.jobId, remake }
}

type ViewerBarProps = Pick<ViewerProps, 'list' | 'index' | 'onClose' | 'onUndo' | 'onHelp'> & {
  title: string
  heading: RefObject<HTMLHeadingElement | null>
  onMoveBy: (by: number) => void
}

const ViewerBar = ({ title, heading, list, index, onMoveBy, onClose, onUndo, onHelp }: ViewerBarProps) => (
  <header class="bar">
    <button type="button" onClick={onClose} title="Esc">
      ← Grid
    </button>
    <h1 id="viewer-title" tabIndex={-1} ref={heading}>
      {title}
    </h1>
    <span class="count">
      {index + 1} of {list.length().toLocaleString('en')}
    </span>
    <span class="tools">
      <button type="button" onClick={() => onMoveBy(-1)} disabled={index === 0} title="P">
        Previous
      </button>
      <button type="button" onClick={() => onMoveBy(1)} title="N">
        Next
      </button>
      <button type="button" onClick={() => void onUndo()} title="U">
        Undo
      </button>
      <button type="button" onClick={onHelp} title="?">
        Keys
      </button>
    </span>
  </header>
)

interface JudgePanelProps {
  tile: Tile
  note: string
  isBusy: boolean
  isLive: boolean
  mode: Mode
  canMend: boolean
  onNote: (note: string) => void
  onJudge: (verdict: Verdict) => void
  onMode: (mode: Mode) => void
}

function JudgePanel({ tile, note, isBusy, isLive, mode, canMend, onNote, onJudge, onMode }: JudgePanelProps) {
  return (
    <>
      <p class={`standing ${tile.verdict}`}>{verdictWords[tile.verdict]}</p>
      <div class="judge verdicts">
        <button type="button" class="accept" onClick={() => onJudge('accepted')} disabled={isBusy}>
          Accept <kbd>A</kbd>
        </button>
        <button type="button" class="reject" onClick={() => onJudge('rejected')} disabled={isBusy}>
          Reject <kbd>R</kbd>
        </button>
      </div>
      <label class="note">
        Note for the verdict
        <input
          type="text"
          maxLength={2000}
          value={note}
          onInput={({ currentTarget }) => onNote(currentTarget.value)}
        />
      </label>
      {isLive ? (
        <div class="judge">
          <button type="button" onClick={() => onMode('redo')} aria-pressed={mode === 'redo'}>
            Do again <kbd>D</kbd>
          </button>
          <button
            type="button"
            onClick={() => onMode(mode === 'brush' ? 'look' : 'brush')}
            aria-pressed={mode === 'brush'}
            disabled={!canMend}
          >
            Brush <kbd>B</kbd>
          </button>
        </div>
      ) : null}
    </>
  )
}

/** The job at a place, as soon as it is there. */
function useTile(list: TileList, index: number, changes: number): Tile | undefined {
  const [, setCome] = useState(0)
  // Asked again when the list has changed.
  useEffect(() => {
    if (changes >= 0 && !list.at(index))
      void list.get(index).then(
        () => setCome((count) => count + 1),
        () => {},
      )
  }, [list, index, changes])
  return list.at(index)
}

function useDetail(
  source: ReviewSource,
  tile: Tile | undefined,
  list: TileList,
  onFail: (error: unknown) => void,
) {
  const [detail, setDetail] = useState<Detail>()
  const [asked, setAsked] = useState(0)
  const { jobId, verdict } = tile ?? {}
  // Another verdict is another history.
  const question = jobId === undefined ? undefined : `${jobId} ${verdict} ${asked}`
  useEffect(() => {
    const [asking] = question?.split(' ') ?? []
    if (asking === undefined) return
    let isLate = false
    const found = (found: Detail) => {
      if (isLate) return
      setDetail(found)
      // A version that was put back has its own reasons and verdict.
      list.change(found.jobId, { verdict: found.verdict, reasons: found.reasons })
    }
    source.detail(asking).then(found, (error) => !isLate && onFail(error))
    return () => {
      isLate = true
    }
  }, [source, list, question, onFail])
  return {
    detail: detail?.jobId === jobId ? detail : undefined,
    ask: useCallback(() => setAsked((count) => count + 1), []),
  }
}

function Reasons({ tile, detail }: { tile: Tile; detail: Detail | undefined }) {
  const violations = detail?.violations ?? []
  const reasons = (detail ?? tile).reasons.filter((reason) => reason !== 'rules' || violations.length === 0)
  if (reasons.length + violations.length === 0) return <p>Nothing is suspicious.</p>
  return (
    <ul class="reasons">
      {reasons.map((reason) => (
        <li key={reason} class={`reason-${reason}`}>
          {reasonText(reason)}
        </li>
      ))}
      {violations.map((sentence) => (
        <li key={sentence}>{sentence}</li>
      ))}
    </ul>
  )
}

function Facts({
  detail,
  isBusy,
  onPutBack,
}: {
  detail: Detail
  isBusy: boolean
  onPutBack: (version: string) => void
}) {
  const { said, versions } = detail
  const facts = [
    ['Model', detail.model],
    ['Size', detail.width === null ? null : `${detail.width} × ${detail.height}`],
    ['File', detail.source],
    ['User', detail.user],
    ['Tags', detail.tags.join(', ')],
    ['Job', detail.jobId],
  ].filter(([, value]) => value)
  return (
    <>
      {versions.length > 0 ? (
        <>
          <h2>Versions</h2>
          <ul class="versions">
            {versions.map((version) => (
              <li key={version.jobId}>
                {versionWords[version.how]}
                {version.model ? `, ${version.model}` : ''}, {timeText(version.at)}{' '}
                {version.jobId === detail.jobId ? (
                  <strong>this one</strong>
                ) : (
                  <button
                    type="button"
                    disabled={isBusy}
                    onClick={() => onPutBack(version.jobId)}
                    aria-label={`Put back: ${versionWords[version.how]}, ${timeText(version.at)}`}
                  >
                    Put back
                  </button>
                )}
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {said.length > 0 ? (
        <>
          <h2>Verdicts</h2>
          <ul class="said">
            {said.map(({ verdict, by, at, note }) => (
              <li key={`${at} ${verdict} ${by}`}>
                {verdict === 'open' ? 'taken back' : verdictWords[verdict]}
                {by ? ` by ${by}` : ''}, {timeText(at)}
                {note ? <q>{note}</q> : null}
              </li>
            ))}
          </ul>
        </>
      ) : null}
      <h2>Facts</h2>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}
