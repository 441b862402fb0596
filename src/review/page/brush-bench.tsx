/** A brush on the mask, for mouse, pen and fingers. What is saved is a version of its own. */
import type { RefObject } from 'preact'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Detail } from '../contract.ts'
import { BackdropChoice, useBackdrop } from './backdrop.tsx'
import { useKeys } from './keys.ts'
import { type PanZoom, usePanZoom } from './pan-zoom.ts'
import { alphaOf, loadImage, maskBlob, pixelsOf } from './pixels.ts'
import type { ReviewSource } from './source.ts'
import { placed, ZoomChoice } from './stage.tsx'
import { type Brush, openPainting, type Painting, type Rect } from './strokes.ts'

interface BrushBenchProps {
  detail: Detail
  source: ReviewSource
  isBusy: boolean
  onSave: (mask: Blob) => void
  onCancel: () => void
  onFail: (error: unknown) => void
}

/** The largest canvas that browsers of the day draw reliably. */
const mostPixels = 80e6

interface Bench {
  painting: Painting
  original: ImageData
  width: number
  height: number
}

interface Tool {
  mode: Brush['mode']
  /** Percent of the longer side, so that it suits small and large pictures. */
  size: number
  /** Percent of the radius. */
  softness: number
}

/** Kept from picture to picture. */
let remembered: Tool = { mode: 'erase', size: 6, softness: 40 }

export function BrushBench(props: BrushBenchProps) {
  const { detail, isBusy, onSave, onFail } = props
  const size = { width: detail.width ?? 1, height: detail.height ?? 1 }
  const canvas = useRef<HTMLCanvasElement>(null)
  const bench = useBench(props)
  const [tool, setTool] = useState(remembered)
  const [strokes, setStrokes] = useState(0)
  const backdrop = useBackdrop()
  const zoom = usePanZoom(size)
  remembered = tool
  const radius = Math.max(0.5, (Math.max(size.width, size.height) * tool.size) / 200)
  const draw = useDrawing(canvas, bench)
  const counted = () => setStrokes(bench?.painting.strokes() ?? 0)
  const undo = () => {
    draw(bench?.painting.undo())
    counted()
  }
  const save = () => {
    if (bench && strokes > 0)
      void maskBlob(bench.painting.mask, bench.width, bench.height).then(onSave, onFail)
  }
  useKeys({
    e: () => setTool((now) => ({ ...now, mode: 'erase' })),
    s: () => setTool((now) => ({ ...now, mode: 'restore' })),
    '[': () => setTool((now) => ({ ...now, size: Math.max(0.5, now.size - 1) })),
    ']': () => setTool((now) => ({ ...now, size: Math.min(50, now.size + 1) })),
    u: undo,
    ...zoom.keys,
  })
  const brush = { mode: tool.mode, radius, softness: tool.softness / 100 }
  const { cursor, ...pointers } = usePointers({
    bench: isBusy ? undefined : bench,
    zoom,
    brush,
    draw,
    counted,
  })
  const { scale } = zoom.view
  return (
    <div class="stage">
      <div class={`window brushing ${scale >= 2 ? 'pixelated' : ''}`} ref={zoom.frame} {...pointers}>
        <div class="picture" style={placed(size, zoom.view)}>
          <div
            class={`layer ${backdrop.className}`}
            style={{ ...backdrop.style, '--scale': String(1 / scale) }}
          />
          <canvas
            class="layer"
            ref={canvas}
            width={size.width}
            height={size.height}
            role="img"
            aria-label="The picture as the mask cuts it out"
          />
          {cursor ? <div class="cursor" style={circle(cursor, radius, scale)} /> : null}
        </div>
        {bench ? null : <p class="waiting">Loading…</p>}
      </div>
      <div class="controls">
        <ToolChoice tool={tool} set={setTool} />
        <ZoomChoice zoom={zoom} />
        <BackdropChoice chosen={backdrop.chosen} choose={backdrop.choose} />
        <BenchButtons
          isOff={strokes === 0 || isBusy}
          isBusy={isBusy}
          onSave={save}
          onUndo={undo}
          onCancel={props.onCancel}
        />
      </div>
    </div>
  )
}

/** The planes of the picture, as soon as they are there. */
function useBench({ detail, source, onFail, onCancel }: BrushBenchProps): Bench | undefined {
  const [bench, setBench] = useState<Bench>()
  useEffect(() => {
    let isLate = false
    openBench(detail, source).then(
      (opened) => !isLate && setBench(opened),
      (error) => {
        if (isLate) return
        onFail(error)
        onCancel()
      },
    )
    return () => {
      isLate = true
    }
  }, [detail, source, onFail, onCancel])
  return bench
}

/** @returns draws what has changed */
function useDrawing(canvas: RefObject<HTMLCanvasElement | null>, bench: Bench | undefined) {
  const draw = useCallback(
    (rect: Rect | undefined) => {
      const context = canvas.current?.getContext('2d')
      if (!context || !bench || !rect) return
      context.putImageData(paintedPart(bench, rect), rect.left, rect.top)
    },
    [canvas, bench],
  )
  useEffect(() => draw(bench && { left: 0, top: 0, width: bench.width, height: bench.height }), [bench, draw])
  return draw
}

interface Painted {
  bench: Bench | undefined
  zoom: PanZoom
  brush: Brush
  draw: (rect: Rect | undefined) => void
  /** The number of strokes may be another one. */
  counted: () => void
}

/** One finger, the pen and the mouse paint; two fingers and the middle button move the picture. */
function usePointers({ bench, zoom, brush, draw, counted }: Painted) {
  const [cursor, setCursor] = useState<{ x: number; y: number }>()
  const isPainting = useRef(false)
  const pan = useRef<{ x: number; y: number } | undefined>(undefined)
  const paint = (event: PointerEvent) => {
    const { x, y } = zoom.pointAt(event)
    // A mouse presses with 0.5 or not at all.
    const pressure = event.pointerType === 'pen' && event.pressure > 0 ? 0.3 + 0.7 * event.pressure : 1
    draw(bench?.painting.to(x, y, pressure))
  }
  const end = () => {
    if (!isPainting.current) return
    isPainting.current = false
    bench?.painting.end()
    counted()
  }
  const up = (event: PointerEvent) => {
    zoom.pinch.up(event)
    pan.current = undefined
    end()
  }
  return {
    cursor,
    onPointerDown: (event: PointerEvent & { currentTarget: HTMLElement }) => {
      event.currentTarget.setPointerCapture(event.pointerId)
      zoom.pinch.down(event)
      if (zoom.pinch.count() > 1 || event.button === 1) {
        end()
        pan.current = { x: event.clientX, y: event.clientY }
        return
      }
      if (!bench || event.button > 0) return
      isPainting.current = true
      bench.painting.begin(brush)
      paint(event)
    },
    onPointerMove: (event: PointerEvent) => {
      setCursor(zoom.pointAt(event))
      if (zoom.pinch.move(event)) return
      if (pan.current && zoom.pinch.count() < 2) {
        zoom.moveBy(event.clientX - pan.current.x, event.clientY - pan.current.y)
        pan.current = { x: event.clientX, y: event.clientY }
        return
      }
      if (!isPainting.current) return
      const coalesced = event.getCoalescedEvents?.() ?? []
      for (const each of coalesced.length > 0 ? coalesced : [event]) paint(each)
    },
    onPointerUp: up,
    onPointerCancel: up,
    onPointerLeave: () => setCursor(undefined),
  }
}

const circle = ({ x, y }: { x: number; y: number }, radius: number, scale: number) => ({
  left: `${x - radius}px`,
  top: `${y - radius}px`,
  width: `${2 * radius}px`,
  height: `${2 * radius}px`,
  borderWidth: `${1.5 / scale}px`,
})

const ToolChoice = ({ tool, set }: { tool: Tool; set: (tool: Tool) => void }) => (
  <>
    <fieldset class="choice">
      <legend>Brush</legend>
      {(['erase', 'restore'] as const).map((mode) => (
        <label key={mode}>
          <input
            type="radio"
            name="brush"
            checked={tool.mode === mode}
            onChange={() => set({ ...tool, mode })}
          />
          <span>{mode === 'erase' ? 'Erase' : 'Restore'}</span>
        </label>
      ))}
    </fieldset>
    <Amount label="Size" value={tool.size} max={50} set={(amount) => set({ ...tool, size: amount })} />
    <Amount
      label="Soft edge"
      value={tool.softness}
      max={100}
      set={(amount) => set({ ...tool, softness: amount })}
    />
  </>
)

interface BenchButtonsProps {
  isOff: boolean
  isBusy: boolean
  onSave: () => void
  onUndo: () => void
  onCancel: () => void
}

const BenchButtons = ({ isOff, isBusy, onSave, onUndo, onCancel }: BenchButtonsProps) => (
  <div class="judge">
    <button type="button" onClick={onSave} disabled={isOff}>
      Save as new version
    </button>
    <button type="button" onClick={onUndo} disabled={isOff}>
      Undo stroke
    </button>
    <button type="button" onClick={onCancel} disabled={isBusy}>
      Cancel
    </button>
  </div>
)

interface AmountProps {
  label: string
  value: number
  max: number
  set: (value: number) => void
}

function Amount({ label, value, max, set }: AmountProps) {
  return (
    <label class="slider">
      <span>{label}</span>
      <input
        type="range"
        min={label === 'Size' ? 0.5 : 0}
        step="0.5"
        max={max}
        value={value}
        aria-valuetext={`${value} percent`}
        onInput={({ currentTarget }) => set(Number(currentTarget.value))}
      />
      <span>{value} %</span>
    </label>
  )
}

async function openBench({ jobId, width, height }: Detail, source: ReviewSource): Promise<Bench> {
  const [originalAt, maskAt] = [source.picture(jobId, 'original'), source.picture(jobId, 'mask')]
  if (originalAt === undefined || maskAt === undefined || width === null || height === null)
    throw new Error('Original or mask of this cut-out were not kept.')
  if (width * height > mostPixels) throw new Error('This picture is too large to be painted on in a browser.')
  const [original, mask] = await Promise.all([loadImage(originalAt), loadImage(maskAt)])
  const size = { width, height }
  const painting = openPainting(alphaOf(pixelsOf(mask, size)), width, height)
  return { painting, original: pixelsOf(original, size), width, height }
}

/** The colors of the original with the alpha of the mask. */
function paintedPart({ painting, original, width }: Bench, rect: Rect): ImageData {
  const part = new ImageData(rect.width, rect.height)
  for (let row = 0; row < rect.height; row++) {
    const from = (rect.top + row) * width + rect.left
    part.data.set(original.data.subarray(from * 4, (from + rect.width) * 4), row * rect.width * 4)
    for (let column = 0; column < rect.width; column++)
      part.data[(row * rect.width + column) * 4 + 3] = painting.mask[from + column] ?? 0
  }
  return part
}
