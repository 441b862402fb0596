/** A brush on the mask, for mouse, pen and fingers. What is saved is a version of its own. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Detail } from '../contract.ts'
import { BackdropChoice, useBackdrop } from './backdrop.tsx'
import { useKeys } from './keys.ts'
import { usePanZoom } from './pan-zoom.ts'
import { alphaOf, loadImage, maskBlob, pixelsOf } from './pixels.ts'
import type { ReviewSource } from './source.ts'
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

/** Kept from picture to picture. */
let remembered = { mode: 'erase' as Brush['mode'], size: 6, softness: 40 }

export function BrushBench({ detail, source, isBusy, onSave, onCancel, onFail }: BrushBenchProps) {
  const size = { width: detail.width ?? 1, height: detail.height ?? 1 }
  const canvas = useRef<HTMLCanvasElement>(null)
  const [bench, setBench] = useState<Bench>()
  const [tool, setTool] = useState(remembered)
  const [strokes, setStrokes] = useState(0)
  const [cursor, setCursor] = useState<{ x: number; y: number }>()
  const backdrop = useBackdrop()
  const zoom = usePanZoom(size)
  remembered = tool
  /** In percent of the longer side, so that it suits small and large pictures. */
  const radius = Math.max(0.5, (Math.max(size.width, size.height) * tool.size) / 200)

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

  const draw = useCallback(
    (rect: Rect | undefined) => {
      const context = canvas.current?.getContext('2d')
      if (!context || !bench || !rect) return
      context.putImageData(paintedPart(bench, rect), rect.left, rect.top)
    },
    [bench],
  )
  useEffect(() => draw(bench && { left: 0, top: 0, width: bench.width, height: bench.height }), [bench, draw])

  const undo = () => {
    draw(bench?.painting.undo())
    setStrokes(bench?.painting.strokes() ?? 0)
  }
  const save = async () => {
    if (!bench || bench.painting.strokes() === 0) return
    await maskBlob(bench.painting.mask, bench.width, bench.height).then(onSave, onFail)
  }
  useKeys({
    e: () => setTool((now) => ({ ...now, mode: 'erase' })),
    s: () => setTool((now) => ({ ...now, mode: 'restore' })),
    '[': () => setTool((now) => ({ ...now, size: Math.max(0.5, now.size - 1) })),
    ']': () => setTool((now) => ({ ...now, size: Math.min(50, now.size + 1) })),
    u: undo,
    '+': () => zoom.zoomBy(1),
    '=': () => zoom.zoomBy(1),
    '-': () => zoom.zoomBy(-1),
    '0': () => zoom.fitAgain(),
  })

  const isPainting = useRef(false)
  const pan = useRef<{ x: number; y: number } | undefined>(undefined)
  const down = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    event.currentTarget.setPointerCapture(event.pointerId)
    zoom.pinch.down(event)
    // Two fingers move the picture; so does the middle button.
    if (zoom.pinch.count() > 1 || event.button === 1) {
      end()
      pan.current = { x: event.clientX, y: event.clientY }
      return
    }
    if (!bench || isBusy || event.button > 0) return
    isPainting.current = true
    bench.painting.begin({ mode: tool.mode, radius, softness: tool.softness / 100 })
    paint(event)
  }
  const paint = (event: PointerEvent) => {
    const { x, y } = zoom.pointAt(event)
    // A mouse presses with 0.5 or not at all.
    const pressure = event.pointerType === 'pen' && event.pressure > 0 ? 0.3 + 0.7 * event.pressure : 1
    draw(bench?.painting.to(x, y, pressure))
  }
  const move = (event: PointerEvent) => {
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
  }
  const end = () => {
    if (!isPainting.current) return
    isPainting.current = false
    bench?.painting.end()
    setStrokes(bench?.painting.strokes() ?? 0)
  }
  const up = (event: PointerEvent) => {
    zoom.pinch.up(event)
    pan.current = undefined
    end()
  }
  const { view } = zoom
  return (
    <div class="stage">
      <div
        class={`window brushing ${view.scale >= 2 ? 'pixelated' : ''}`}
        ref={zoom.frame}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onPointerLeave={() => setCursor(undefined)}
      >
        <div
          class="picture"
          style={{
            width: `${size.width}px`,
            height: `${size.height}px`,
            transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
          }}
        >
          <div
            class={`layer ${backdrop.className}`}
            style={{ ...backdrop.style, '--scale': String(1 / view.scale) }}
          />
          <canvas
            class="layer"
            ref={canvas}
            width={size.width}
            height={size.height}
            role="img"
            aria-label="The picture as the mask cuts it out"
          />
          {cursor ? (
            <div
              class="cursor"
              style={{
                left: `${cursor.x - radius}px`,
                top: `${cursor.y - radius}px`,
                width: `${2 * radius}px`,
                height: `${2 * radius}px`,
                borderWidth: `${1.5 / view.scale}px`,
              }}
            />
          ) : null}
        </div>
        {bench ? null : <p class="waiting">Loading…</p>}
      </div>
      <div class="controls">
        <fieldset class="choice">
          <legend>Brush</legend>
          {(['erase', 'restore'] as const).map((mode) => (
            <label key={mode}>
              <input
                type="radio"
                name="brush"
                checked={tool.mode === mode}
                onChange={() => setTool({ ...tool, mode })}
              />
              <span>{mode === 'erase' ? 'Erase' : 'Restore'}</span>
            </label>
          ))}
        </fieldset>
        <Amount
          label="Size"
          value={tool.size}
          max={50}
          set={(amount) => setTool({ ...tool, size: amount })}
        />
        <Amount
          label="Soft edge"
          value={tool.softness}
          max={100}
          set={(amount) => setTool({ ...tool, softness: amount })}
        />
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
        </fieldset>
        <BackdropChoice chosen={backdrop.chosen} choose={backdrop.choose} />
        <div class="judge">
          <button type="button" onClick={() => void save()} disabled={strokes === 0 || isBusy}>
            Save as new version
          </button>
          <button type="button" onClick={undo} disabled={strokes === 0 || isBusy}>
            Undo stroke
          </button>
          <button type="button" onClick={onCancel} disabled={isBusy}>
            Cancel
          </button>
        </div>
      </div>
    </div>
  )
}

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
