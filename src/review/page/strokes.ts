/** A brush on a mask: arithmetic on planes of 8 bits, and nothing else. */

export interface Brush {
  mode: 'erase' | 'restore'
  /** Pixels of the picture. */
  radius: number
  /** How much of the radius the soft edge takes, 0..1. */
  softness: number
}

export interface Rect {
  left: number
  top: number
  width: number
  height: number
}

/** A mask that is being painted on. */
export interface Painting {
  /** Alpha 0..255, width * height. */
  readonly mask: Uint8Array
  /** Begins a stroke. */
  begin(brush: Brush): void
  /** Goes on with it to a point, in pixels. @returns what has changed; undefined for nothing */
  to(x: number, y: number, pressure?: number): Rect | undefined
  /** Ends it, so that it can be undone. */
  end(): void
  /** @returns what has changed; undefined where there is nothing to undo */
  undo(): Rect | undefined
  /** Strokes that can be undone. */
  strokes(): number
}

/** More would only cost memory. */
const mostUndos = 50

/** How much a brush covers at a distance from its middle: 0..255. */
export function coverage(distance: number, { radius, softness }: Pick<Brush, 'radius' | 'softness'>): number {
  if (distance >= radius) return 0
  const hard = radius * (1 - softness)
  if (distance <= hard) return 255
  const t = (radius - distance) / (radius - hard)
  return Math.round(255 * t * t * (3 - 2 * t)) // smoothstep: no visible ring where the edge begins
}

/** @param mask alpha 0..255, width * height; it is painted on itself */
export function openPainting(mask: Uint8Array, width: number, height: number): Painting {
  const planes: Planes = { mask, base: mask.slice(), stroke: new Uint8Array(mask.length), width, height }
  const done: { rect: Rect; before: Uint8Array }[] = []
  let brush: Brush | undefined
  let last: { x: number; y: number } | undefined
  let touched: Rect | undefined
  return {
    mask,
    begin: (given) => {
      brush = given
      last = undefined
      touched = undefined
    },
    to: (x, y, pressure = 1) => {
      if (!brush) return undefined
      const changed = drag(planes, { ...brush, radius: Math.max(0.5, brush.radius * pressure) }, last, {
        x,
        y,
      })
      last = { x, y }
      touched = joined(touched, changed)
      return changed
    },
    end: () => {
      if (touched) {
        done.push({ rect: touched, before: settle(planes, touched) })
        if (done.length > mostUndos) done.shift()
      }
      brush = undefined
      touched = undefined
    },
    undo: () => {
      const stroke = done.pop()
      if (stroke) takeBack(planes, stroke)
      return stroke?.rect
    },
    strokes: () => done.length,
  }
}

interface Planes {
  mask: Uint8Array
  /** The mask as it was before the stroke. */
  base: Uint8Array
  /** Of the stroke: where it goes twice, it covers no more than once. */
  stroke: Uint8Array
  width: number
  height: number
}

type Point = Record<'x' | 'y', number>

/** Dabs so close to each other that no gap is seen. */
function drag(planes: Planes, brush: Brush, last: Point | undefined, to: Point): Rect | undefined {
  const from = last ?? to
  const steps = Math.max(
    1,
    Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / Math.max(brush.radius / 4, 0.5)),
  )
  let changed: Rect | undefined
  for (let step = last ? 1 : steps; step <= steps; step++) {
    const t = step / steps
    const point = { x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t }
    changed = joined(changed, dab(planes, brush, point))
  }
  return changed
}

function dab(planes: Planes, brush: Brush, { x, y }: Point): Rect | undefined {
  const { mask, base, stroke, width } = planes
  const rect = around(planes, brush.radius, { x, y })
  if (!rect) return undefined
  for (let v = rect.top; v < rect.top + rect.height; v++) {
    for (let u = rect.left; u < rect.left + rect.width; u++) {
      const covered = coverage(Math.hypot(u + 0.5 - x, v + 0.5 - y), brush)
      const at = v * width + u
      if (covered <= (stroke[at] ?? 0)) continue
      stroke[at] = covered
      const before = base[at] ?? 0
      mask[at] =
        brush.mode === 'erase' ? Math.round((before * (255 - covered)) / 255) : Math.max(before, covered)
    }
  }
  return rect
}

function around({ width, height }: Planes, radius: number, { x, y }: Point): Rect | undefined {
  const [left, top] = [Math.max(0, Math.floor(x - radius)), Math.max(0, Math.floor(y - radius))]
  const right = Math.min(width, Math.ceil(x + radius) + 1)
  const bottom = Math.min(height, Math.ceil(y + radius) + 1)
  return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : undefined
}

/** Ends a stroke. @returns what was there before it */
function settle({ mask, base, stroke, width }: Planes, rect: Rect): Uint8Array {
  const before = new Uint8Array(rect.width * rect.height)
  for (let row = 0; row < rect.height; row++) {
    const from = (rect.top + row) * width + rect.left
    const to = from + rect.width
    before.set(base.subarray(from, to), row * rect.width)
    base.set(mask.subarray(from, to), from)
    stroke.fill(0, from, to)
  }
  return before
}

function takeBack({ mask, base, width }: Planes, { rect, before }: { rect: Rect; before: Uint8Array }): void {
  for (let row = 0; row < rect.height; row++) {
    const from = (rect.top + row) * width + rect.left
    const line = before.subarray(row * rect.width, (row + 1) * rect.width)
    mask.set(line, from)
    base.set(line, from)
  }
}

/** The smallest one around both. */
export function joined(a: Rect | undefined, b: Rect | undefined): Rect | undefined {
  if (!a || !b) return a ?? b
  const left = Math.min(a.left, b.left)
  const top = Math.min(a.top, b.top)
  const right = Math.max(a.left + a.width, b.left + b.width)
  const bottom = Math.max(a.top + a.height, b.top + b.height)
  return { left, top, width: right - left, height: bottom - top }
}
