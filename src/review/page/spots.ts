/** Where on a picture the reasons of a review are: arithmetic on small copies of its objects, and nothing else. */

export interface Spot {
  reason: 'touches-frame' | 'halo' | 'many-islands' | 'many-holes' | 'soft-mask'
  /** Shares of width and height, 0..1. */
  x: number
  y: number
  width: number
  height: number
}

/** Planes of one size, some hundred pixels a side. */
export interface Planes {
  width: number
  height: number
  /** RGBA. */
  original: Uint8ClampedArray
  /** Alpha 0..255. */
  mask: Uint8Array
  /** RGBA of the finished cut-out, where it has the frame of the original. */
  cutout: Uint8ClampedArray | undefined
}

const clearBelow = 13
const opaqueFrom = 243
/** Cells that halo and softness are told by, a side of the longer one. */
const cellsASide = 32
/** As of the review in src/cutout/pixels/review.ts, on the cell. */
const haloFrom = 0.35
const softFrom = 0.5

/** @param reasons only these are looked for */
export function findSpots(planes: Planes, reasons: readonly string[]): Spot[] {
  const wants = (reason: Spot['reason']) => reasons.includes(reason)
  const spots: Spot[] = []
  if (wants('touches-frame')) spots.push(...touches(planes))
  if (wants('many-islands')) spots.push(...regions(planes, 255).slice(1).map(as(planes, 'many-islands')))
  if (wants('many-holes')) spots.push(...regions(planes, 0).map(as(planes, 'many-holes')))
  if (wants('halo')) spots.push(...cells(planes, haloOf, haloFrom, 'halo'))
  if (wants('soft-mask')) spots.push(...cells(planes, softnessOf, softFrom, 'soft-mask'))
  return spots
}

interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

const as =
  ({ width, height }: Planes, reason: Spot['reason']) =>
  ({ left, top, right, bottom }: Box): Spot => ({
    reason,
    x: left / width,
    y: top / height,
    width: (right - left) / width,
    height: (bottom - top) / height,
  })

/** Runs of subject along each side but the bottom, where portraits and busts leave the frame. */
function touches(planes: Planes): Spot[] {
  const { width, height, mask } = planes
  const sides = [
    {
      length: width,
      at: (i: number) => i,
      box: (a: number, b: number) => ({ left: a, top: 0, right: b, bottom: 1 }),
    },
    {
      length: height,
      at: (i: number) => i * width,
      box: (a: number, b: number) => ({ left: 0, top: a, right: 1, bottom: b }),
    },
    {
      length: height,
      at: (i: number) => i * width + width - 1,
      box: (a: number, b: number) => ({ left: width - 1, top: a, right: width, bottom: b }),
    },
  ]
  return sides.flatMap(({ length, at, box }) => {
    const runs: Box[] = []
    let from = -1
    for (let i = 0; i <= length; i++) {
      const isSubject = i < length && (mask[at(i)] ?? 0) >= 128
      if (isSubject && from < 0) from = i
      if (!isSubject && from >= 0) {
        if (i - from > 2) runs.push(box(from, i))
        from = -1
      }
    }
    return runs.map(as(planes, 'touches-frame'))
  })
}

interface Region {
  box: Box
  size: number
  atFrame: boolean
}

/** Parts of the subject (255), or openings in it (0) that do not reach the frame; the largest first, without specks. */
function regions({ width, height, mask }: Planes, value: 0 | 255): Box[] {
  const isOf = (at: number) => (mask[at] ?? 0) >= 128 === (value === 255)
  const seen = new Uint8Array(mask.length)
  const found: Region[] = []
  for (let start = 0; start < mask.length; start++) {
    if (!seen[start] && isOf(start)) found.push(regionAt(start, { width, height, seen, isOf }))
  }
  return found
    .filter(({ size, atFrame }) => size >= mask.length * 0.0005 && (value === 255 || !atFrame))
    .sort((a, b) => b.size - a.size)
    .map(({ box }) => box)
}

interface Filling {
  width: number
  height: number
  seen: Uint8Array
  isOf: (at: number) => boolean
}

function regionAt(start: number, { width, height, seen, isOf }: Filling): Region {
  const box = { left: width, top: height, right: 0, bottom: 0 }
  let size = 0
  const stack = [start]
  seen[start] = 1
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const x = at % width
    const y = (at - x) / width
    size++
    box.left = Math.min(box.left, x)
    box.top = Math.min(box.top, y)
    box.right = Math.max(box.right, x + 1)
    box.bottom = Math.max(box.bottom, y + 1)
    for (const each of [x > 0 ? at - 1 : -1, x < width - 1 ? at + 1 : -1, at - width, at + width]) {
      if (each < 0 || each >= seen.length || seen[each] || !isOf(each)) continue
      seen[each] = 1
      stack.push(each)
    }
  }
  const atFrame = box.left === 0 || box.top === 0 || box.right === width || box.bottom === height
  return { box, size, atFrame }
}

/** A cell's score 0..1; undefined where it cannot be told. */
type Score = (planes: Planes, cell: Box) => number | undefined

function cells(planes: Planes, score: Score, from: number, reason: Spot['reason']): Spot[] {
  const { width, height } = planes
  const side = Math.max(4, Math.ceil(Math.max(width, height) / cellsASide))
  const boxes: Box[] = []
  for (let top = 0; top < height; top += side) {
    for (let left = 0; left < width; left += side) {
      const cell = { left, top, right: Math.min(left + side, width), bottom: Math.min(top + side, height) }
      const found = score(planes, cell)
      if (found === undefined || found < from) continue
      // Neighbors in a row are one.
      const before = boxes.at(-1)
      if (before && before.top === top && before.right === left) before.right = cell.right
      else boxes.push(cell)
    }
  }
  return boxes.map(as(planes, reason))
}

function softnessOf(planes: Planes, cell: Box): number | undefined {
  let soft = 0
  let visible = 0
  eachPixel(planes, cell, (_, alpha) => {
    if (alpha < clearBelow) return
    visible++
    if (alpha < opaqueFrom) soft++
  })
  return visible < 4 ? undefined : soft / visible
}

/** How far the colors of soft pixels lie from the subject's towards the background's, both as they are nearby. */
function haloOf(planes: Planes, cell: Box): number | undefined {
  // Most cells have no edge, and need no look at what is around them.
  if (!planes.cutout || !softnessOf(planes, cell)) return undefined
  const { cutout, original } = planes
  const reach = 2 * (cell.bottom - cell.top)
  const near = {
    left: Math.max(0, cell.left - reach),
    top: Math.max(0, cell.top - reach),
    right: Math.min(planes.width, cell.right + reach),
    bottom: Math.min(planes.height, cell.bottom + reach),
  }
  const inside = meanColor(planes, near, cutout, (alpha) => alpha >= opaqueFrom)
  const outside = meanColor(planes, near, original, (alpha) => alpha < clearBelow)
  if (!inside || !outside) return undefined
  const towards = outside.map((value, c) => value - (inside[c] ?? 0))
  const contrast = towards.reduce((sum, value) => sum + value * value, 0)
  if (contrast < (0.15 * 255) ** 2) return undefined
  let score = 0
  let weights = 0
  eachPixel(planes, cell, (at, alpha) => {
    if (alpha < clearBelow || alpha >= opaqueFrom) return
    const along = towards.reduce(
      (sum, value, c) => sum + ((cutout[at * 4 + c] ?? 0) - (inside[c] ?? 0)) * value,
      0,
    )
    const weight = (alpha / 255) * (1 - alpha / 255)
    score += weight * Math.min(Math.max(along / contrast, 0), 1)
    weights += weight
  })
  return weights === 0 ? undefined : score / weights
}

function eachPixel(
  { width, mask }: Planes,
  { left, top, right, bottom }: Box,
  visit: (at: number, alpha: number) => void,
): void {
  for (let y = top; y < bottom; y++) {
    for (let at = y * width + left; at < y * width + right; at++) visit(at, mask[at] ?? 0)
  }
}

/** Of the pixels whose alpha is wanted; undefined where there are none. */
function meanColor(
  planes: Planes,
  box: Box,
  colors: Uint8ClampedArray,
  isWanted: (alpha: number) => boolean,
): number[] | undefined {
  let [red, green, blue, count] = [0, 0, 0, 0]
  eachPixel(planes, box, (at, alpha) => {
    if (!isWanted(alpha)) return
    red += colors[at * 4] ?? 0
    green += colors[at * 4 + 1] ?? 0
    blue += colors[at * 4 + 2] ?? 0
    count++
  })
  return count === 0 ? undefined : [red / count, green / count, blue / count]
}
