/** The cut-out over its original: a slider between both, backdrops, zoom, and marks of what is doubtful. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Detail, Tile } from '../contract.ts'
import { BackdropChoice, useBackdrop } from './backdrop.tsx'
import { useKeys } from './keys.ts'
import { usePanZoom } from './pan-zoom.ts'
import { planesOf } from './pixels.ts'
import type { ReviewSource } from './source.ts'
import { findSpots, type Spot } from './spots.ts'
import { reasonText } from './words.ts'

interface StageProps {
  tile: Tile
  detail: Detail | undefined
  source: ReviewSource
  /** The cut-out is on the screen. */
  onSeen: () => void
}

/** Kept from picture to picture. */
const kept = { isMaskShown: false, areMarksShown: true, isFileShown: false }

export function Stage({ tile, detail, source, onSeen }: StageProps) {
  const natural = useRef({ width: tile.width ?? 1000, height: tile.height ?? 1000 })
  const [, setLoads] = useState(0)
  const [before, setBefore] = useState(0)
  const [isMaskShown, setMaskShown] = useState(kept.isMaskShown)
  const [areMarksShown, setMarksShown] = useState(kept.areMarksShown)
  const [isFileShown, setFileShown] = useState(kept.isFileShown)
  Object.assign(kept, { isMaskShown, areMarksShown, isFileShown })
  const backdrop = useBackdrop()
  const zoom = usePanZoom(natural.current)
  const spots = useSpots(source, detail)
  const drag = useDrag(zoom, setBefore, natural.current.width)

  const { jobId } = tile
  const original = detail?.kept.original === false ? undefined : source.picture(jobId, 'original')
  const processed = detail?.kept.processed === false ? undefined : source.picture(jobId, 'processed')
  const mask = detail?.kept.mask ? source.picture(jobId, 'mask') : undefined
  // A file with another frame, or without transparency, cannot be laid over the original: then the mask is used.
  const isPreview = detail !== undefined && !detail.isOverlay && mask !== undefined && original !== undefined
  const isAlone = detail !== undefined && !isPreview && !detail.isOverlay
  const after = isPreview ? original : processed

  useKeys({
    o: () => setBefore((share) => (share > 0 ? 0 : 100)),
    m: () => setMaskShown((is) => !is),
    h: () => setMarksShown((is) => !is),
    '+': () => zoom.zoomBy(1),
    '=': () => zoom.zoomBy(1),
    '-': () => zoom.zoomBy(-1),
    '0': () => zoom.fitAgain(),
  })
  const isFile = (isFileShown || isAlone) && processed !== undefined
  const { view } = zoom
  const loaded = ({ currentTarget: image }: { currentTarget: HTMLImageElement }) => {
    if (tile.width === null || !source.isLive) {
      natural.current = { width: image.naturalWidth, height: image.naturalHeight }
      setLoads((count) => count + 1)
    }
    onSeen()
  }
  return (
    <div class="stage">
      <div
        class={`window ${view.scale >= 2 ? 'pixelated' : ''}`}
        ref={zoom.frame}
        onPointerDown={drag.down}
        onPointerMove={drag.move}
        onPointerUp={drag.up}
        onPointerCancel={drag.up}
      >
        {isFile ? (
          <div class={`whole ${backdrop.className}`} style={backdrop.style}>
            <img src={processed} alt="The finished file" draggable={false} onLoad={onSeen} />
          </div>
        ) : (
          <div
            class="picture"
            style={{
              width: `${natural.current.width}px`,
              height: `${natural.current.height}px`,
              transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
            }}
          >
            {original && before > 0 ? (
              <img
                class="layer"
                src={original}
                alt="The original"
                draggable={false}
                style={{ clipPath: `inset(0 ${100 - before}% 0 0)` }}
              />
            ) : null}
            <div class="layer" style={{ clipPath: `inset(0 0 0 ${before}%)` }}>
              <div
                class={`layer ${backdrop.className}`}
                style={{ ...backdrop.style, '--scale': String(1 / view.scale) }}
              />
              {after ? (
                <img
                  class="layer"
                  src={after}
                  alt="The cut-out"
                  draggable={false}
                  onLoad={loaded}
                  style={isPreview ? maskedBy(mask) : {}}
                />
              ) : (
                <p class="lost">The store has no picture of this cut-out.</p>
              )}
              {isMaskShown && mask ? (
                <div class="layer removed" style={maskedBy(mask, { inverted: true })} />
              ) : null}
            </div>
            {areMarksShown ? <Marks spots={spots} scale={view.scale} size={natural.current} /> : null}
            {original && before > 0 && before < 100 ? (
              <div class="divide" style={{ left: `${before}%`, width: `${2 / view.scale}px` }} />
            ) : null}
          </div>
        )}
      </div>
      <div class="controls">
        <label class="slider">
          <span>Original</span>
          <input
            type="range"
            min="0"
            max="100"
            value={before}
            disabled={!original || isFile}
            aria-label="How much of the original is shown, from the left"
            aria-valuetext={`${before} percent original`}
            onInput={({ currentTarget }) => setBefore(Number(currentTarget.value))}
          />
          <span>{before} %</span>
        </label>
        <fieldset class="choice">
          <legend>Zoom</legend>
          <button type="button" onClick={() => zoom.zoomBy(-1)} aria-label="Zoom out">
            −
          </button>
          <output aria-label="Zoom">{Math.round(view.scale * 100)} %</output>
          <button type="button" onClick={() => zoom.zoomBy(1)} aria-label="Zoom in">
            +
          </button>
          <button type="button" onClick={zoom.fitAgain}>
            Fit
          </button>
          <button type="button" onClick={() => zoom.zoomTo(1)}>
            100 %
          </button>
          <button type="button" onClick={() => zoom.zoomTo(8)}>
            800 %
          </button>
        </fieldset>
        <BackdropChoice chosen={backdrop.chosen} choose={backdrop.choose} />
        <fieldset class="choice">
          <legend>Show</legend>
          {mask ? <Check isOn={isMaskShown} set={setMaskShown} label="What was removed" /> : null}
          {source.isLive ? <Check isOn={areMarksShown} set={setMarksShown} label="Marks" /> : null}
          {isPreview ? <Check isOn={isFileShown} set={setFileShown} label="Finished file" /> : null}
        </fieldset>
      </div>
    </div>
  )
}

const maskedBy = (mask: string | undefined, { inverted = false } = {}): Record<string, string> => {
  const image = `url("${mask}")`
  return inverted
    ? {
        maskImage: `${image}, linear-gradient(#fff, #fff)`,
        maskMode: 'luminance, match-source',
        maskComposite: 'exclude',
        maskSize: '100% 100%',
      }
    : { maskImage: image, maskMode: 'luminance', maskSize: '100% 100%' }
}

function Check({ isOn, set, label }: { isOn: boolean; set: (is: boolean) => void; label: string }) {
  return (
    <label>
      <input type="checkbox" checked={isOn} onChange={({ currentTarget }) => set(currentTarget.checked)} />
      <span>{label}</span>
    </label>
  )
}

/** Dragging moves the picture; near the line between original and cut-out, it moves the line. */
function useDrag(
  zoom: ReturnType<typeof usePanZoom>,
  setBefore: (set: (share: number) => number) => void,
  width: number,
) {
  const dragging = useRef<{ what: 'picture' | 'line'; x: number; y: number } | undefined>(undefined)
  return {
    down: (event: PointerEvent & { currentTarget: HTMLElement }) => {
      event.currentTarget.setPointerCapture(event.pointerId)
      zoom.pinch.down(event)
      let share = 0
      setBefore((now) => {
        share = now
        return now
      })
      const isNearLine =
        share > 0 &&
        share < 100 &&
        Math.abs(zoom.pointAt(event).x - (share / 100) * width) * zoom.view.scale < 12
      dragging.current = { what: isNearLine ? 'line' : 'picture', x: event.clientX, y: event.clientY }
    },
    move: (event: PointerEvent) => {
      if (zoom.pinch.move(event) || zoom.pinch.count() > 1) return
      const from = dragging.current
      if (!from) return
      if (from.what === 'line') {
        const share = Math.round((zoom.pointAt(event).x / width) * 100)
        setBefore(() => Math.min(Math.max(share, 1), 99))
      } else zoom.moveBy(event.clientX - from.x, event.clientY - from.y)
      dragging.current = { ...from, x: event.clientX, y: event.clientY }
    },
    up: (event: PointerEvent) => {
      zoom.pinch.up(event)
      dragging.current = undefined
    },
  }
}

/** Where the reasons are on the picture; nothing until that is known. */
function useSpots(source: ReviewSource, detail: Detail | undefined): Spot[] {
  const [found, setFound] = useState<{ jobId: string; spots: Spot[] }>()
  useEffect(() => {
    if (!detail || detail.reasons.length === 0) return
    const { jobId, reasons, kept, isOverlay } = detail
    const original = source.picture(jobId, 'original')
    const mask = source.picture(jobId, 'mask')
    if (!kept.original || !kept.mask || original === undefined || mask === undefined) return
    const cutout = kept.processed && isOverlay ? source.picture(jobId, 'processed') : undefined
    let isLate = false
    planesOf({ original, mask, cutout }).then(
      (planes) => !isLate && setFound({ jobId, spots: findSpots(planes, reasons) }),
      () => {}, // a picture that cannot be shown says so itself
    )
    return () => {
      isLate = true
    }
  }, [source, detail])
  return found && found.jobId === detail?.jobId ? found.spots : []
}

function Marks({
  spots,
  scale,
  size,
}: {
  spots: Spot[]
  scale: number
  size: { width: number; height: number }
}) {
  if (spots.length === 0) return null
  const line = 2 / scale
  const reasons = [...new Set(spots.map(({ reason }) => reason))]
  return (
    <svg
      class="layer marks"
      viewBox={`0 0 ${size.width} ${size.height}`}
      role="img"
      aria-label={`Marked: ${reasons.map(reasonText).join(', ')}`}
    >
      {spots.map(({ reason, x, y, width, height }) => (
        <rect
          key={`${reason} ${x} ${y}`}
          class={`mark-${reason}`}
          x={x * size.width - line}
          y={y * size.height - line}
          width={width * size.width + 2 * line}
          height={height * size.height + 2 * line}
          stroke-width={line}
        />
      ))}
    </svg>
  )
}
