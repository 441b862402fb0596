/** One cut-out, large: to judge it, to make it again, and to mend it. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Detail, RedoSettings, Start, Tile, Verdict } from '../contract.ts'
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
  onJudge: (tile: Tile, verdict: Verdict, note?: string) => Promise<boolean>
  /** Another version is in the place of one. */
  onReplace: (from: string, to: string, what: string) => void
  onUndo: () => Promise<void>
  onFail: (error: unknown) => void
  onHelp: () => void
}

export function Viewer(props: ViewerProps) {
  const { list, source, start, index, onMove, onClose, onJudge, onReplace, onUndo, onFail, onHelp } = props
  const [mode, setMode] = useState<'look' | 'redo' | 'brush'>('look')
  const [note, setNote] = useState('')
  const [isBusy, setBusy] = useState(false)
  const tile = useTile(list, index, props.changes)
  const { detail, ask } = useDetail(source, tile, onFail)
  // A version that was put back has its own reasons and verdict.
  useEffect(() => {
    if (detail && (detail.verdict !== tile?.verdict || detail.reasons.join() !== tile.reasons.join()))
      list.change(detail.jobId, { verdict: detail.verdict, reasons: detail.reasons })
  }, [list, detail])
  const heading = useRef<HTMLHeadingElement>(null)
  const [seen, setSeen] = useState<string>()

  // biome-ignore lint/correctness/useExhaustiveDependencies: another picture is told to whoever listens
  useEffect(() => {
    setMode('look')
    setNote('')
    heading.current?.focus({ preventScroll: true })
  }, [index])
  useEffect(() => {
    for (const near of [index + 1, index - 1]) {
      list.want(near)
      const jobId = list.at(near)?.jobId
      const picture = jobId && source.picture(jobId, 'processed')
      if (picture) new Image().src = picture // ready when somebody gets there
    }
  }, [list, source, index])

  const move = (by: number) => {
    const next = index + by
    if (next >= 0 && next < list.length()) onMove(next)
    else if (next >= list.length()) onClose()
  }
  const judge = async (verdict: Verdict) => {
    if (!tile || isBusy) return
    if (await onJudge(tile, verdict, note)) move(1)
  }
  /** Waits for what is made, and shows it. */
  const remake = useCallback(
    async (
      what: string,
      make: (jobId: string) => Promise<{ jobId: string; isNew: boolean; files: string[] }>,
    ) => {
      if (!tile) return
      setBusy(true)
      try {
        const made = await make(tile.jobId)
        if (made.jobId === tile.jobId) onReplaceNothing()
        else {
          const files = made.files.length > 0 ? ` ${made.files.join(', ')} holds it now.` : ''
          onReplace(tile.jobId, made.jobId, `${what}${files}`)
        }
        setMode('look')
      } catch (error) {
        onFail(error)
      } finally {
        setBusy(false)
      }
      function onReplaceNothing() {
        onFail(new Error('That is what this version was made with: nothing has changed.'))
      }
    },
    [tile, onReplace, onFail],
  )
  const redo = (model: string | undefined, changes: Partial<RedoSettings>) =>
    remake('Made again.', (jobId) => source.redo(jobId, model, changes))
  const undo = async () => {
    await onUndo()
    ask()
  }

  const canMend = source.isLive && detail?.kept.mask === true && detail.kept.original
  useKeys({
    a: () => void judge('accepted'),
    r: () => void judge('rejected'),
    n: () => move(1),
    p: () => move(-1),
    ...(mode !== 'brush' && {
      ArrowRight: () => move(1),
      ArrowLeft: () => move(-1),
      u: () => void undo(),
    }),
    d: () => source.isLive && setMode('redo'),
    b: () => canMend && setMode('brush'),
    Escape: () => (mode === 'look' ? onClose() : setMode('look')),
  })
  if (!tile) return <p class="waiting">Loading…</p>
  const title = nameOf(tile)
  return (
    <section class="viewer" aria-labelledby="viewer-title" aria-busy={isBusy}>
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
          <button type="button" onClick={() => move(-1)} disabled={index === 0} title="P">
            Previous
          </button>
          <button type="button" onClick={() => move(1)} title="N">
            Next
          </button>
          <button type="button" onClick={() => void undo()} title="U">
            Undo
          </button>
          <button type="button" onClick={onHelp} title="?">
            Keys
          </button>
        </span>
      </header>
      <div class="halves">
        {mode === 'brush' && detail ? (
          <BrushBench
            key={tile.jobId}
            detail={detail}
            source={source}
            isBusy={isBusy}
            onSave={(mask) => remake('Mended.', (jobId) => source.mend(jobId, mask))}
            onCancel={() => setMode('look')}
            onFail={onFail}
          />
        ) : (
          <Stage
            key={tile.jobId}
            tile={tile}
            detail={detail}
            source={source}
            onSeen={() => setSeen(tile.jobId)}
          />
        )}
        <aside class="side" data-seen={seen === tile.jobId}>
          <p class={`standing ${tile.verdict}`}>{verdictWords[tile.verdict]}</p>
          <div class="judge">
            <button type="button" class="accept" onClick={() => void judge('accepted')} disabled={isBusy}>
              Accept <kbd>A</kbd>
            </button>
            <button type="button" class="reject" onClick={() => void judge('rejected')} disabled={isBusy}>
              Reject <kbd>R</kbd>
            </button>
          </div>
          <label class="note">
            Note for the verdict
            <input
              type="text"
              maxLength={2000}
              value={note}
              onInput={({ currentTarget }) => setNote(currentTarget.value)}
            />
          </label>
          {source.isLive ? (
            <div class="judge">
              <button type="button" onClick={() => setMode('redo')} aria-pressed={mode === 'redo'}>
                Do again <kbd>D</kbd>
              </button>
              <button
                type="button"
                onClick={() => setMode(mode === 'brush' ? 'look' : 'brush')}
                aria-pressed={mode === 'brush'}
                disabled={!canMend}
              >
                Brush <kbd>B</kbd>
              </button>
            </div>
          ) : null}
          {mode === 'redo' && detail ? (
            <RedoForm
              detail={detail}
              models={start?.models ?? []}
              isBusy={isBusy}
              onRedo={redo}
              onCancel={() => setMode('look')}
            />
          ) : null}
          {isBusy ? <p role="status">Making the cut-out…</p> : null}
          <h2>Why to look at it</h2>
          <Reasons tile={tile} detail={detail} />
          {detail ? (
            <Facts
              detail={detail}
              isBusy={isBusy}
              onPutBack={(version) => remake('Put back.', (jobId) => source.putBack(jobId, version))}
            />
          ) : null}
        </aside>
      </div>
    </section>
  )
}

/** The job at a place, as soon as it is there. */
function useTile(list: TileList, index: number, changes: number): Tile | undefined {
  const [, setCome] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when the list has changed
  useEffect(() => {
    if (!list.at(index))
      void list.get(index).then(
        () => setCome((count) => count + 1),
        () => {},
      )
  }, [list, index, changes])
  return list.at(index)
}

function useDetail(source: ReviewSource, tile: Tile | undefined, onFail: (error: unknown) => void) {
  const [detail, setDetail] = useState<Detail>()
  const [asked, setAsked] = useState(0)
  const jobId = tile?.jobId
  const verdict = tile?.verdict
  // biome-ignore lint/correctness/useExhaustiveDependencies: another verdict is another history
  useEffect(() => {
    if (jobId === undefined) return
    let isLate = false
    source.detail(jobId).then(
      (found) => !isLate && setDetail(found),
      (error) => !isLate && onFail(error),
    )
    return () => {
      isLate = true
    }
  }, [source, jobId, verdict, asked, onFail])
  return {
    detail: detail?.jobId === jobId ? detail : undefined,
    ask: () => setAsked((count) => count + 1),
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
