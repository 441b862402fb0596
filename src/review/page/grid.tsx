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
  onJudge: (tile: Tile, verdict: Verdict) => Promise<boolean>
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
  top: number
  height: number
}

export function Grid(props: GridProps) {
  const { list, source, focus, isHidden, onFocus, onOpen, onJudge } = props
  const frame = useRef<HTMLDivElement>(null)
  const [shape, setShape] = useState<Shape>({ columns: 4, rowHeight: 240, top: 0, height: 800 })
  const length = list.length()

  const measure = useCallback(() => {
    const element = frame.current
    if (!element || element.clientWidth === 0) return
    const width = element.clientWidth
    const wanted = width < 500 ? narrowTileWidth : tileWidth
    const columns = Math.max(1, Math.floor((width + gap) / (wanted + gap)))
    const side = (width - gap * (columns - 1)) / columns
    setShape({
      columns,
      rowHeight: Math.round(side * 0.9) + captionHeight + gap,
      top: element.scrollTop,
      height: element.clientHeight,
    })
  }, [])
  useLayoutEffect(() => {
    const element = frame.current
    if (!element) return
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [measure])

  const { columns, rowHeight, top, height } = shape
  const rows = Math.ceil(length / columns)
  const from = Math.max(0, Math.floor(top / rowHeight) - spareRows) * columns
  const to = Math.min(length, (Math.ceil((top + height) / rowHeight) + spareRows) * columns)
  useEffect(() => {
    for (let index = from; index < to; index += Math.max(1, columns)) list.want(index)
    list.want(to - 1)
  }, [list, from, to, columns])

  const bringIntoView = useCallback(
    (index: number) => {
      const element = frame.current
      if (!element) return
      const rowTop = Math.floor(index / columns) * rowHeight
      if (rowTop < element.scrollTop) element.scrollTop = rowTop
      if (rowTop + rowHeight > element.scrollTop + element.clientHeight)
        element.scrollTop = rowTop + rowHeight - element.clientHeight
    },
    [columns, rowHeight],
  )
  const focusWanted = useRef(false)
  const go = (index: number) => {
    const next = Math.min(Math.max(index, 0), Math.max(length - 1, 0))
    bringIntoView(next)
    focusWanted.current = true
    onFocus(next)
  }
  // After every drawing: the tile may only now be there. Also when the large view closes.
  const wasHidden = useRef(isHidden)
  useLayoutEffect(() => {
    if (wasHidden.current && !isHidden) {
      measure()
      bringIntoView(focus)
      focusWanted.current = true
    }
    wasHidden.current = isHidden
    if (isHidden || !focusWanted.current) return
    const tile = frame.current?.querySelector<HTMLElement>(`[data-index="${focus}"]`)
    if (!tile) return
    focusWanted.current = false
    tile.focus({ preventScroll: true })
  })

  const judge = async (verdict: Verdict) => {
    const tile = list.at(focus)
    if (tile && (await onJudge(tile, verdict))) go(focus + 1)
  }
  useKeys(
    isHidden
      ? {}
      : {
          ArrowRight: () => go(focus + 1),
          ArrowLeft: () => go(focus - 1),
          ArrowDown: () => go(focus + columns),
          ArrowUp: () => go(focus - columns),
          PageDown: () => go(focus + columns * Math.max(1, Math.floor(height / rowHeight))),
          PageUp: () => go(focus - columns * Math.max(1, Math.floor(height / rowHeight))),
          Home: () => go(0),
          End: () => go(length - 1),
          n: () => go(focus + 1),
          p: () => go(focus - 1),
          a: () => void judge('accepted'),
          r: () => void judge('rejected'),
        },
  )

  const tiles = []
  for (let index = from; index < to; index++) {
    tiles.push(
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
      />,
    )
  }
  return (
    <div
      class="grid"
      ref={frame}
      hidden={isHidden}
      onScroll={measure}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be reached by keys
      tabIndex={length === 0 ? 0 : -1}
    >
      {length === 0 && list.isCounted() ? <p class="empty">There is no cut-out to show.</p> : null}
      <ul
        class="tiles"
        style={{ height: `${rows * rowHeight}px` }}
        aria-label="Cut-outs, the most doubtful first"
      >
        {tiles}
      </ul>
    </div>
  )
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
