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

export function openPainting(mask: Uint8Array, width: number, height: number): Painting {
  /** As it was before the stroke. */
  const base = mask.slice()
  /** Of the stroke: where it goes twice, it covers no more than once. */
  const stroke = new Uint8Array(mask.length)
  const done: { rect: Rect; before: Uint8Array }[] = []
  let brush: Brush | undefined
  let last: { x: number; y: number } | undefined
  let touched: Rect | undefined

  function dab(x: number, y: number, of: Brush): Rect | undefined {
    const rect = clipped(x - of.radius, y - of.radius, 2 * of.radius, 2 * of.radius)
    if (!rect) return undefined
    for (let v = rect.top; v < rect.top + rect.height; v++) {
      for (let u = rect.left; u < rect.left + rect.width; u++) {
        const covered = coverage(Math.hypot(u + 0.5 - x, v + 0.5 - y), of)
        const at = v * width + u
        if (covered <= (stroke[at] ?? 0)) continue
        stroke[at] = covered
        const before = base[at] ?? 0
        mask[at] =
          of.mode === 'erase' ? Math.round((before * (255 - covered)) / 255) : Math.max(before, covered)
      }
    }
    return rect
  }

  function clipped(left: number, top: number, wide: number, high: number): Rect | undefined {
    const [x0, y0] = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top))]
    const [x1, y1] = [
      Math.min(width, Math.ceil(left + wide) + 1),
      Math.min(height, Math.ceil(top + high) + 1),
    ]
    return x1 > x0 && y1 > y0 ? { left: x0, top: y0, width: x1 - x0, height: y1 - y0 } : undefined
  }

  function eachRow(rect: Rect, visit: (from: number, to: number, row: number) => void): void {
    for (let row = 0; row < rect.height; row++) {
      const from = (rect.top + row) * width + rect.left
      visit(from, from + rect.width, row)
    }
  }

  return {
    mask,
    begin: (given) => {
      brush = given
      last = undefined
      touched = undefined
    },
    to: (x, y, pressure = 1) => {
      if (!brush) return undefined
      const of = { ...brush, radius: Math.max(0.5, brush.radius * pressure) }
      const from = last ?? { x, y }
      const steps = Math.max(1, Math.ceil(Math.hypot(x - from.x, y - from.y) / Math.max(of.radius / 4, 0.5)))
      let changed: Rect | undefined
      for (let step = last ? 1 : steps; step <= steps; step++) {
        const t = step / steps
        changed = joined(changed, dab(from.x + (x - from.x) * t, from.y + (y - from.y) * t, of))
      }
      last = { x, y }
      touched = joined(touched, changed)
      return changed
    },
    end: () => {
      const rect = touched
      brush = undefined
      touched = undefined
      if (!rect) return
      const before = new Uint8Array(rect.width * rect.height)
      eachRow(rect, (from, to, row) => {
        before.set(base.subarray(from, to), row * rect.width)
        base.set(mask.subarray(from, to), from)
        stroke.fill(0, from, to)
      })
      done.push({ rect, before })
      if (done.length > mostUndos) done.shift()
    },
    undo: () => {
      const stroke = done.pop()
      if (!stroke) return undefined
      const { rect, before } = stroke
      eachRow(rect, (from, _to, row) => {
        const line = before.subarray(row * rect.width, (row + 1) * rect.width)
        mask.set(line, from)
        base.set(line, from)
      })
      return rect
    },
    strokes: () => done.length,
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
