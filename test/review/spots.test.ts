import { expect, it } from 'vitest'
import { findSpots, type Planes } from '../../src/review/page/spots.ts'

const side = 100

/** @param alphaAt 0..255; the subject is red, the background white, and soft pixels are of `soft` */
function planes(alphaAt: (x: number, y: number) => number, soft = [255, 0, 0]): Planes {
  const mask = new Uint8Array(side * side)
  const original = new Uint8ClampedArray(side * side * 4).fill(255)
  const cutout = new Uint8ClampedArray(side * side * 4).fill(255)
  for (let at = 0; at < mask.length; at++) {
    const alpha = alphaAt(at % side, Math.floor(at / side))
    mask[at] = alpha
    if (alpha > 12) cutout.set(alpha > 242 ? [255, 0, 0] : soft, at * 4)
  }
  return { width: side, height: side, original, mask, cutout }
}

const within = (from: number, to: number, value: number) => value >= from && value < to

it('tells where the subject touches the frame, but for the bottom', () => {
  const spots = findSpots(
    planes((x, y) => (within(20, 40, x) || y >= 90 ? 255 : 0)),
    ['touches-frame'],
  )
  expect(spots.map(({ x, y, width, height }) => [x, y, width, height])).toEqual([
    [0.2, 0, 0.2, 0.01],
    [0, 0.9, 0.01, 0.1],
    [0.99, 0.9, 0.01, 0.1],
  ])
})

it('tells loose parts and holes, and looks only for what it is asked for', () => {
  const ring = planes((x, y) => {
    const isBig = within(10, 60, x) && within(10, 60, y) && !(within(30, 40, x) && within(30, 40, y))
    return isBig || (within(80, 90, x) && within(80, 90, y)) ? 255 : 0
  })
  expect(findSpots(ring, ['many-islands'])).toEqual([
    { reason: 'many-islands', x: 0.8, y: 0.8, width: 0.1, height: 0.1 },
  ])
  expect(findSpots(ring, ['many-holes'])).toEqual([
    { reason: 'many-holes', x: 0.3, y: 0.3, width: 0.1, height: 0.1 },
  ])
  expect(findSpots(ring, ['doubtful-mask'])).toEqual([])
})

it('tells a halo by the color of the old background, and soft places by their alpha', () => {
  const edge = (x: number) => (within(30, 60, x) ? 255 : within(60, 68, x) ? 128 : 0)
  expect(findSpots(planes(edge, [255, 230, 230]), ['halo']).every(({ x }) => within(0.5, 0.7, x))).toBe(true)
  expect(findSpots(planes(edge, [255, 230, 230]), ['halo']).length).toBeGreaterThan(0)
  expect(findSpots(planes(edge, [255, 0, 0]), ['halo'])).toEqual([])
  expect(findSpots(planes(edge), ['soft-mask']).length).toBeGreaterThan(0)
})
