/** A picture in a window onto it: zoomed by wheel, keys and two fingers, moved by dragging. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface View {
  /** Of the picture's top left corner, in pixels of the window. */
  x: number
  y: number
  /** 1 shows a pixel of the picture as one of the page. */
  scale: number
  isFitted: boolean
}

export interface Size {
  width: number
  height: number
}

const mostScale = 8
const steps = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]

function fitted(picture: Size, window: Size): View {
  const scale = Math.min(window.width / picture.width, window.height / picture.height, mostScale)
  return {
    x: (window.width - picture.width * scale) / 2,
    y: (window.height - picture.height * scale) / 2,
    scale,
    isFitted: true,
  }
}

/** The point of the window stays over the same point of the picture. */
function zoomedAt(view: View, scale: number, point: { x: number; y: number }, fit: View): View {
  const wanted = Math.min(Math.max(scale, Math.min(fit.scale, 1)), mostScale)
  if (wanted <= fit.scale) return fit
  const ratio = wanted / view.scale
  return {
    x: point.x - (point.x - view.x) * ratio,
    y: point.y - (point.y - view.y) * ratio,
    scale: wanted,
    isFitted: false,
  }
}

/** Some of the picture stays in the window. */
function moved(view: View, by: { x: number; y: number }, picture: Size, window: Size): View {
  const keep = 40
  const limit = (value: number, length: number, room: number) =>
    Math.min(Math.max(value, keep - length), room - keep)
  return {
    ...view,
    x: limit(view.x + by.x, picture.width * view.scale, window.width),
    y: limit(view.y + by.y, picture.height * view.scale, window.height),
    isFitted: false,
  }
}

export function usePanZoom(picture: Size) {
  const frame = useRef<HTMLDivElement>(null)
  const [room, setRoom] = useState<Size>({ width: 1, height: 1 })
  const [view, setView] = useState<View>({ x: 0, y: 0, scale: 1, isFitted: true })
  const fit = fitted(picture, room)
  const current = view.isFitted ? fit : view

  useLayoutEffect(() => {
    const element = frame.current
    if (!element) return
    const measure = () => setRoom({ width: element.clientWidth, height: element.clientHeight })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [])

  const latest = useRef({ current, fit, room, picture })
  latest.current = { current, fit, room, picture }
  const zoomTo = useCallback((scale: number, point?: { x: number; y: number }) => {
    const { current, fit, room } = latest.current
    setView(zoomedAt(current, scale, point ?? { x: room.width / 2, y: room.height / 2 }, fit))
  }, [])
  const zoomBy = useCallback(
    (direction: 1 | -1) => {
      const { scale } = latest.current.current
      const next =
        direction > 0
          ? steps.find((step) => step > scale * 1.01)
          : steps.findLast((step) => step < scale * 0.99)
      zoomTo(next ?? (direction > 0 ? mostScale : 0))
    },
    [zoomTo],
  )
  const fitAgain = useCallback(() => setView((before) => ({ ...before, isFitted: true })), [])
  const moveBy = useCallback((x: number, y: number) => {
    const { current, picture, room } = latest.current
    setView(moved(current, { x, y }, picture, room))
  }, [])
  useEffect(() => {
    const element = frame.current
    if (!element) return
    const onWheel = (event: WheelEvent) => {
      event.preventDefault()
      const { left, top } = element.getBoundingClientRect()
      const { scale } = latest.current.current
      zoomTo(scale * Math.exp(-event.deltaY / 400), { x: event.clientX - left, y: event.clientY - top })
    }
    // Preact's own listeners are passive, and the page would scroll.
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => element.removeEventListener('wheel', onWheel)
  }, [zoomTo])

  const pinch = usePinch({ frame, latest, setView })
  /** Of the picture, in its pixels. */
  const pointAt = useCallback((event: { clientX: number; clientY: number }) => {
    const { left = 0, top = 0 } = frame.current?.getBoundingClientRect() ?? {}
    const { x, y, scale } = latest.current.current
    return { x: (event.clientX - left - x) / scale, y: (event.clientY - top - y) / scale }
  }, [])
  const keys = {
    '+': () => zoomBy(1),
    '=': () => zoomBy(1),
    '-': () => zoomBy(-1),
    '0': () => fitAgain(),
  }
  return { frame, view: current, zoomTo, zoomBy, fitAgain, moveBy, pinch, pointAt, keys }
}

export type PanZoom = ReturnType<typeof usePanZoom>

interface PinchState {
  frame: { current: HTMLDivElement | null }
  latest: { current: { current: View; fit: View; room: Size; picture: Size } }
  setView: (view: View) => void
}

/** Two fingers zoom and move at once. */
function usePinch({ frame, latest, setView }: PinchState) {
  const fingers = useRef(new Map<number, { x: number; y: number }>())
  const place = ({ clientX, clientY }: PointerEvent) => {
    const { left = 0, top = 0 } = frame.current?.getBoundingClientRect() ?? {}
    return { x: clientX - left, y: clientY - top }
  }
  const middle = () => {
    const [a = { x: 0, y: 0 }, b = a] = [...fingers.current.values()]
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.hypot(a.x - b.x, a.y - b.y) }
  }
  return {
    /** Fingers on the window now. */
    count: () => fingers.current.size,
    down: (event: PointerEvent) => {
      if (event.pointerType === 'touch') fingers.current.set(event.pointerId, place(event))
    },
    /** @returns whether two fingers have moved the picture */
    move: (event: PointerEvent): boolean => {
      if (!fingers.current.has(event.pointerId)) return false
      const before = middle()
      fingers.current.set(event.pointerId, place(event))
      if (fingers.current.size !== 2 || before.distance === 0) return false
      const after = middle()
      const { current, fit, picture, room } = latest.current
      const zoomed = zoomedAt(current, (current.scale * after.distance) / before.distance, before, fit)
      setView(moved(zoomed, { x: after.x - before.x, y: after.y - before.y }, picture, room))
      return true
    },
    up: (event: PointerEvent) => void fingers.current.delete(event.pointerId),
  }
}
