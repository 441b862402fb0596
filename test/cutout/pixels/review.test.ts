/** What a mask tells about itself. */
import { describe, expect, it } from 'vitest'
import { expectedIou } from './reference/expected-iou.ts'
import { type Reviewed, review } from './reference/review.ts'

const side = 200
/** No model was asked. */
const unasked = { expectedIou: null, leastExpectedIou: undefined }
type Paint = (x: number, y: number) => number

/** A scene of 200 x 200 pixels; alpha and colors by place. */
function scene(
  alpha: Paint,
  color: (x: number, y: number) => [number, number, number] = () => [180, 30, 30],
): Reviewed {
  const mask = new Uint8Array(side * side)
  const rgba = new Uint8Array(side * side * 4)
  const data = new Uint8Array(side * side * 3).fill(240)
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++, at++) {
      mask[at] = alpha(x, y)
      rgba.set([...color(x, y), mask[at]!], at * 4)
    }
  }
  return { mask, rgba, data, channels: 3, width: side, height: side, ...unasked }
}

const inside =
  (left: number, top: number, size: number): Paint =>
  (x, y) =>
    x >= left && x < left + size && y >= top && y < top + size ? 255 : 0
/** A disc with an edge of `softness` pixels. */
const disc =
  (radius: number, softness = 1): Paint =>
  (x, y) =>
    Math.round(255 * Math.min(Math.max((radius - Math.hypot(x - 99.5, y - 99.5)) / softness + 0.5, 0), 1))

describe('a mask', () => {
  it('with one subject in the middle gives no reason to look', () => {
    expect(review(scene(disc(60)))).toMatchObject({
      subjectArea: expect.closeTo((Math.PI * 3600) / 40000, 2),
      touches: [],
      islands: 1,
      holes: 0,
      reasons: [],
    })
  })

  it('that is empty, full or tiny says so', () => {
    expect(review(scene(() => 0)).reasons).toEqual(['empty-mask'])
    expect(review(scene(() => 255)).reasons).toEqual(['full-mask'])
    expect(review(scene(inside(50, 50, 15))).reasons).toEqual(['small-subject'])
  })

  it('names the sides on which the subject leaves the frame; leaving at the bottom is usual', () => {
    expect(review(scene(inside(100, 100, 100)))).toMatchObject({
      touches: ['right', 'bottom'],
      reasons: ['touches-frame'],
    })
    expect(review(scene((x, y) => (x > 60 && x < 140 && y > 80 ? 255 : 0)))).toMatchObject({
      touches: ['bottom'],
      reasons: [],
    })
  })

  it('counts islands and holes, but no specks', () => {
    const fourSquares: Paint = (x, y) =>
      x % 100 < 50 && y % 100 < 50 && x % 100 > 10 && y % 100 > 10 ? 255 : 0
    expect(review(scene(fourSquares))).toMatchObject({ islands: 4, holes: 0, reasons: ['many-islands'] })
    const ring: Paint = (x, y) => (disc(60)(x, y) > 127 && disc(20)(x, y) < 127 ? 255 : 0)
    expect(review(scene(ring))).toMatchObject({ islands: 1, holes: 1, reasons: [] })
    const speckled: Paint = (x, y) => (x === 10 && y === 10 ? 255 : disc(60)(x, y))
    expect(review(scene(speckled)).islands).toBe(1)
  })

  it('is too soft when a large part of it is neither here nor there', () => {
    expect(review(scene(disc(60, 2))).softShare).toBeLessThan(0.1)
    expect(review(scene(disc(60, 90)))).toMatchObject({ reasons: expect.arrayContaining(['soft-mask']) })
  })
})

describe('the overlap that a matte promises', () => {
  it('is whole where a model is sure, and small where it is not', () => {
    expect(expectedIou(Float32Array.of(0, 1, 1, 0))).toBe(1)
    expect(expectedIou(Float32Array.of(0, 0.6, 0.6, 0))).toBeCloseTo(0.6, 6)
    expect(expectedIou(Float32Array.of(0.4, 1, 1, 0.4))).toBeCloseTo(2 / 2.8, 6)
    expect(expectedIou(Float32Array.of(0.4, 0.1, 0, 0))).toBe(0)
  })

  it('makes a mask doubtful below what its model must reach, if that is known', () => {
    const reasons = (promised: number | null, least: number | undefined) =>
      review({ ...scene(disc(60)), expectedIou: promised, leastExpectedIou: least }).reasons
    expect(reasons(0.69, 0.7)).toEqual(['doubtful-mask'])
    expect(reasons(0.71, 0.7)).toEqual([])
    expect(reasons(0.1, undefined)).toEqual([])
    expect(reasons(null, 0.7)).toEqual([])
  })

  it('says more than that the mask is soft', () => {
    const soft = scene(disc(60, 90))
    expect(review(soft).reasons).toContain('soft-mask')
    expect(review({ ...soft, expectedIou: 0.8, leastExpectedIou: 0.7 }).reasons).not.toContain('soft-mask')
  })
})

describe('the halo score', () => {
  const subject = [180, 30, 30] as const
  const backdrop = [240, 240, 240] as const
  const soft = disc(60, 8)

  it('is nothing when the edge has the color of the subject', () => {
    expect(review(scene(soft)).haloScore).toBe(0)
  })

  it('grows with what shines through of the background', () => {
    const mixed = (share: number) => (x: number, y: number) => {
      const alpha = soft(x, y) / 255
      const shown = (1 - alpha) * share
      return subject.map((value, c) => Math.round(value * (1 - shown) + backdrop[c]! * shown)) as [
        number,
        number,
        number,
      ]
    }
    const half = review(scene(soft, mixed(0.5))).haloScore!
    const all = review(scene(soft, mixed(1)))
    expect(half).toBeGreaterThan(0.15)
    expect(all.haloScore).toBeGreaterThan(1.8 * half)
    expect(all.reasons).toEqual(['halo'])
  })

  it('is unknown without an edge, or without contrast', () => {
    expect(review(scene(inside(50, 50, 100))).haloScore).toBeNull()
    expect(review(scene(soft, () => [238, 238, 238])).haloScore).toBeNull()
  })
})
