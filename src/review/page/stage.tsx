/** The cut-out over its original: a slider between both, backdrops, zoom, and marks of what is doubtful. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Detail, Tile } from '../contract.ts'
import { BackdropChoice, useBackdrop } from './backdrop.tsx'
import { useKeys } from './keys.ts'
import { type PanZoom, usePanZoom, type View } from './pan-zoom.ts'
import { planesOf } from './pixels.ts'
import type { ReviewSource } from './source.ts'
import { findSpots, type Spot } from './spots.ts'
import { reasonText } from './words.ts'

interface StageProps {
  tile: Tile
  detail: Detail | undefined
  source: ReviewSource
}

/** Kept from picture to picture. */
const kept = { isMaskShown: false, areMarksShown: true, isFileShown: false }

export function Stage({ tile, detail, source }: StageProps) {
  const [size, setSize] = useState({ width: tile.width ?? 1000, height: tile.height ?? 1000 })
  const [before, setBefore] = useState(0)
  const [shown, setShown] = useState({ ...kept })
  const show = (change: Partial<typeof kept>) => setShown(Object.assign(kept, change) && { ...kept })
  const backdrop = useBackdrop()
  const zoom = usePanZoom(size)
  const spots = useSpots(source, detail)
  const drag = useDrag(zoom, before, setBefore, size.width)
  const pictures = picturesOf(tile, detail, source)
  useKeys({
    o: () => setBefore((share) => (share > 0 ? 0 : 100)),
    m: () => show({ isMaskShown: !shown.isMaskShown }),
    h: () => show({ areMarksShown: !shown.areMarksShown }),
    ...zoom.keys,
  })
  const { processed } = pictures
  const isFile = (shown.isFileShown || pictures.isAlone) && processed !== undefined
  const loaded = ({ currentTarget: image }: { currentTarget: HTMLImageElement }) => {
    // What a page without a server shows is smaller than the original was.
    if (tile.width === null || !source.isLive)
      setSize({ width: image.naturalWidth, height: image.naturalHeight })
  }
  return (
    <div class="stage">
      <div
        class={`window ${zoom.view.scale >= 2 ? 'pixelated' : ''}`}
        ref={zoom.frame}
        onPointerDown={drag.down}
        onPointerMove={drag.move}
        onPointerUp={drag.up}
        onPointerCancel={drag.up}
      >
        {isFile ? (
          <div class={`whole ${backdrop.className}`} style={backdrop.style}>
            <img src={processed} alt="The finished file" draggable={false} />
          </div>
        ) : (
          <div class="picture" style={placed(size, zoom.view)}>
            <Layers
              {...{ pictures, before, backdrop }}
              isMaskShown={shown.isMaskShown}
              scale={zoom.view.scale}
              onLoad={loaded}
            />
            {shown.areMarksShown ? <Marks spots={spots} scale={zoom.view.scale} size={size} /> : null}
          </div>
        )}
      </div>
      <div class="controls">
        <BeforeSlider before={before} isOff={!pictures.original || isFile} set={setBefore} />
        <ZoomChoice zoom={zoom} />
        <BackdropChoice chosen={backdrop.chosen} choose={backdrop.choose} />
        {/* A page without a server has none of these. */}
        <fieldset class="choice" hidden={!source.isLive}>
          <legend>Show</legend>
          {pictures.mask ? (
            <Check
              isOn={shown.isMaskShown}
              set={(is) => show({ isMaskShown: is })}
              label="What was removed"
            />
          ) : null}
          {source.isLive ? (
            <Check isOn={shown.areMarksShown} set={(is) => show({ areMarksShown: is })} label="Marks" />
          ) : null}
          {pictures.isPreview ? (
            <Check isOn={shown.isFileShown} set={(is) => show({ isFileShown: is })} label="Finished file" />
          ) : null}
        </fieldset>
      </div>
    </div>
  )
}

/** Where a picture of this size lies in its window. */
export const placed = (size: { width: number; height: number }, { x, y, scale }: View) => ({
  width: `${size.width}px`,
  height: `${size.height}px`,
  transform: `translate(${x}px, ${y}px) scale(${scale})`,
})

interface StagePictures {
  original: string | undefined
  processed: string | undefined
  mask: string | undefined
  /** The mask on the original stands for a file that cannot be laid over it. */
  isPreview: boolean
  /** The file cannot be laid over the original, and there is no mask to stand for it. */
  isAlone: boolean
}

function picturesOf({ jobId }: Tile, detail: Detail | undefined, source: ReviewSource): StagePictures {
  const original = detail?.kept.original === false ? undefined : source.picture(jobId, 'original')
  const processed = detail?.kept.processed === false ? undefined : source.picture(jobId, 'processed')
  const mask = detail?.kept.mask ? source.picture(jobId, 'mask') : undefined
  // Another frame, or no transparency.
  const isOther = detail !== undefined && !detail.isOverlay
  const isPreview = isOther && mask !== undefined && original !== undefined
  return { original, processed, mask, isPreview, isAlone: isOther && !isPreview }
}

interface LayersProps {
  pictures: StagePictures
  /** Percent, from the left. */
  before: number
  backdrop: ReturnType<typeof useBackdrop>
  isMaskShown: boolean
  scale: number
  onLoad: (event: { currentTarget: HTMLImageElement }) => void
}

function Layers({ pictures, before, backdrop, isMaskShown, scale, onLoad }: LayersProps) {
  const { original, processed, mask, isPreview } = pictures
  const after = isPreview ? original : processed
  return (
    <>
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
          style={{ ...backdrop.style, '--scale': String(1 / scale) }}
        />
        {after ? (
          <img
            class="layer"
            src={after}
            alt="The cut-out"
            draggable={false}
            onLoad={onLoad}
            style={isPreview ? maskedBy(mask) : {}}
          />
        ) : (
          <p class="lost">The store has no picture of this cut-out.</p>
        )}
        {isMaskShown && mask ? (
          <div class="layer removed" style={maskedBy(mask, { inverted: true })} />
        ) : null}
      </div>
      {original && before > 0 && before < 100 ? (
        <div class="divide" style={{ left: `${before}%`, width: `${2 / scale}px` }} />
      ) : null}
    </>
  )
}

interface BeforeSliderProps {
  before: number
  isOff: boolean
  set: (share: number) => void
}

const BeforeSlider = ({ before, isOff, set }: BeforeSliderProps) => (
  <label class="slider">
    <span>Original</span>
    <input
      type="range"
      min="0"
      max="100"
      value={before}
      disabled={isOff}
      aria-label="How much of the original is shown, from the left"
      aria-valuetext={`${before} percent original`}
      onInput={({ currentTarget }) => set(Number(currentTarget.value))}
    />
    <span>{before} %</span>
  </label>
)

export const ZoomChoice = ({ zoom }: { zoom: PanZoom }) => (
  <fieldset class="choice">
    <legend>Zoom</legend>
    <button type="button" onClick={() => zoom.zoomBy(-1)} aria-label="Zoom out">
      −
    </button>
    <output aria-label="Zoom">{Math.round(zoom.view.scale * 100)} %</output>
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
)

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
function useDrag(zoom: PanZoom, before: number, setBefore: (share: number) => void, width: number) {
  const dragging = useRef<{ what: 'picture' | 'line'; x: number; y: number } | undefined>(undefined)
  return {
    down: (event: PointerEvent & { currentTarget: HTMLElement }) => {
      event.currentTarget.setPointerCapture(event.pointerId)
      zoom.pinch.down(event)
      const away = Math.abs(zoom.pointAt(event).x - (before / 100) * width) * zoom.view.scale
      const isNearLine = before > 0 && before < 100 && away < 12
      dragging.current = { what: isNearLine ? 'line' : 'picture', x: event.clientX, y: event.clientY }
    },
    move: (event: PointerEvent) => {
      if (zoom.pinch.move(event) || zoom.pinch.count() > 1) return
      const from = dragging.current
      if (!from) return
      if (from.what === 'line') {
        const share = Math.round((zoom.pointAt(event).x / width) * 100)
        setBefore(Math.min(Math.max(share, 1), 99))
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
