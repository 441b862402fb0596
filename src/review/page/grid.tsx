/** All cut-outs: only those that are looked at are in the page. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Tile, Verdict } from '../contract.ts'
import { useKeys } from './keys.ts'
import type { ReviewSource } from './source.ts'
import type { TileList } from './tile-list.ts'
import { nameOf, reasonText, verdictWords } from './words.ts'

interface GridProps {
  list: TileList
  source: ReviewSource
  /** Goes up with every change of the list. */
  changes: number
  /** The one that has the focus. */
  focus: number
  isHidden: boolean
  onFocus: (index: number) => void
  onOpen: (index: number) => void
  onJudge: (tile: Tile, verdict: Verdict) => void
}

/** Pixels. */
const tileWidth = 190
const narrowTileWidth = 140
const captionHeight = 58
const gap = 12
/** Rows that are kept ready above and below. */
const spareRows = 2

interface Shape {
  columns: number
  rowHeight: number
  /** Of what is scrolled away above. */
  top: number
  height: number
}

export function Grid(props: GridProps) {
  const { list, source, focus, isHidden, onFocus, onOpen } = props
  const { frame, shape, measure } = useShape()
  const length = list.length()
  const { columns, rowHeight, top, height } = shape
  const from = Math.max(0, Math.floor(top / rowHeight) - spareRows) * columns
  const to = Math.min(length, (Math.ceil((top + height) / rowHeight) + spareRows) * columns)
  useEffect(() => {
    for (let index = from; index < to; index += columns) list.want(index)
    list.want(to - 1)
  }, [list, from, to, columns])
  const go = useFocus({ ...props, frame, shape, measure })
  useGridKeys(props, go, shape)
  const shown = Array.from({ length: Math.max(0, to - from) }, (_, place) => from + place)
  return (
    <div
      class="grid"
      ref={frame}
      hidden={isHidden}
      onScroll={measure}
      // What scrolls can be reached by keys.
      tabIndex={length === 0 ? 0 : -1}
    >
      {length === 0 && list.isCounted() ? <p class="empty">There is no cut-out to show.</p> : null}
      <ul
        class="tiles"
        style={{ height: `${Math.ceil(length / columns) * rowHeight}px` }}
        aria-label="Cut-outs, the most doubtful first"
      >
        {shown.map((index) => (
          <GridTile
            key={index}
            index={index}
            length={length}
            tile={list.at(index)}
            source={source}
            isFocus={index === focus}
            place={{
              left: `${((index % columns) * 100) / columns}%`,
              top: `${Math.floor(index / columns) * rowHeight}px`,
              width: `calc(${100 / columns}% - ${gap}px)`,
              height: `${rowHeight - gap}px`,
            }}
            onFocus={onFocus}
            onOpen={onOpen}
          />
        ))}
      </ul>
    </div>
  )
}

/** How many tiles fit, and how far is scrolled. */
function useShape() {
  const frame = useRef<HTMLDivElement>(null)
  const [shape, setShape] = useState<Shape>({ columns: 4, rowHeight: 240, top: 0, height: 800 })
  const measure = useCallback(() => {
    const element = frame.current
    if (!element || element.clientWidth === 0) return
    const width = element.clientWidth
    const wanted = width < 500 ? narrowTileWidth : tileWidth
    const columns = Math.max(1, Math.floor((width + gap) / (wanted + gap)))
    const side = (width - gap * (columns - 1)) / columns
    const rowHeight = Math.round(side * 0.9) + captionHeight + gap
    setShape({ columns, rowHeight, top: element.scrollTop, height: element.clientHeight })
  }, [])
  useLayoutEffect(() => {
    const element = frame.current
    if (!element) return
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [measure])
  return { frame, shape, measure }
}

type Focusing = Pick<GridProps, 'list' | 'focus' | 'isHidden' | 'onFocus'> & ReturnType<typeof useShape>

/** @returns gives the focus to another tile, and brings it into view */
function useFocus({ list, focus, isHidden, onFocus, frame, shape, measure }: Focusing) {
  const { columns, rowHeight } = shape
  const isWanted = useRef(false)
  const bringIntoView = (index: number) => {
    const element = frame.current
    if (!element) return
    const rowTop = Math.floor(index / columns) * rowHeight
    if (rowTop < element.scrollTop) element.scrollTop = rowTop
    if (rowTop + rowHeight > element.scrollTop + element.clientHeight)
      element.scrollTop = rowTop + rowHeight - element.clientHeight
  }
  // After every drawing: the tile may only now be there. Also when the large view closes.
  const wasHidden = useRef(isHidden)
  useLayoutEffect(() => {
    if (wasHidden.current && !isHidden) {
      measure()
      bringIntoView(focus)
      isWanted.current = true
    }
    wasHidden.current = isHidden
    if (isHidden || !isWanted.current) return
    const tile = frame.current?.querySelector<HTMLElement>(`[data-index="${focus}"]`)
    if (!tile) return
    isWanted.current = false
    tile.focus({ preventScroll: true })
  })
  return (index: number) => {
    const next = Math.min(Math.max(index, 0), Math.max(list.length() - 1, 0))
    bringIntoView(next)
    isWanted.current = true
    onFocus(next)
  }
}

function useGridKeys(
  { list, focus, isHidden, onJudge }: GridProps,
  go: (index: number) => void,
  { columns, rowHeight, height }: Shape,
) {
  const page = columns * Math.max(1, Math.floor(height / rowHeight))
  const judge = (verdict: Verdict) => {
    const tile = list.at(focus)
    if (!tile) return
    onJudge(tile, verdict)
    go(focus + 1)
  }
  const keys = {
    ArrowRight: () => go(focus + 1),
    ArrowLeft: () => go(focus - 1),
    ArrowDown: () => go(focus + columns),
    ArrowUp: () => go(focus - columns),
    PageDown: () => go(focus + page),
    PageUp: () => go(focus - page),
    Home: () => go(0),
    End: () => go(list.length() - 1),
    n: () => go(focus + 1),
    p: () => go(focus - 1),
    a: () => judge('accepted'),
    r: () => judge('rejected'),
  }
  useKeys(isHidden ? {} : keys)
}

interface GridTileProps {
  index: number
  length: number
  tile: Tile | undefined
  source: ReviewSource
  isFocus: boolean
  place: { left: string; top: string; width: string; height: string }
  onFocus: (index: number) => void
  onOpen: (index: number) => void
}

function GridTile({ index, length, tile, source, isFocus, place, onFocus, onOpen }: GridTileProps) {
  return (
    <li style={place} aria-setsize={length} aria-posinset={index + 1}>
      {tile ? (
        <button
          type="button"
          class={`tile ${tile.verdict}`}
          data-index={index}
          tabIndex={isFocus ? 0 : -1}
          onFocus={() => onFocus(index)}
          onClick={() => onOpen(index)}
        >
          <span class="picture checker">
            <Thumbnail src={source.thumbnail(tile.jobId)} />
          </span>
          <span class="name">{nameOf(tile)}</span>
          <span class="facts">
            {tile.verdict === 'open' ? null : <span class="verdict">{verdictWords[tile.verdict]}</span>}
            {tile.reasons.length > 0 ? tile.reasons.map(reasonText).join(', ') : 'nothing suspicious'}
          </span>
        </button>
      ) : (
        <span class="tile waiting">
          <span class="picture" />
        </span>
      )}
    </li>
  )
}

function Thumbnail({ src }: { src: string | undefined }) {
  const [isLost, setLost] = useState(false)
  useEffect(() => setLost(false), [src])
  if (src === undefined || isLost) return <span class="lost">no picture in the store</span>
  return <img src={src} alt="" decoding="async" onError={() => setLost(true)} />
}
