import { describe, expect, it } from 'vitest'
import { coverage, joined, openPainting } from '../../src/review/page/strokes.ts'

const hard = { radius: 3, softness: 0 }

describe('a brush', () => {
  it('covers all within its hard part, nothing outside, and falls off between', () => {
    expect([0, 2.9, 3, 9].map((distance) => coverage(distance, hard))).toEqual([255, 255, 0, 0])
    const soft = [0, 2, 4, 6, 8, 10].map((distance) => coverage(distance, { radius: 10, softness: 0.8 }))
    expect(soft).toEqual([...soft].sort((a, b) => b - a))
    expect(soft[0]).toBe(255)
    expect(soft[3]).toBeGreaterThan(0)
    expect(soft[3]).toBeLessThan(255)
  })

  it('erases and restores, and tells what has changed', () => {
    const mask = new Uint8Array(20 * 10).fill(255)
    const painting = openPainting(mask, 20, 10)
    painting.begin({ mode: 'erase', ...hard })
    const rect = painting.to(5, 5)
    painting.end()
    expect(rect).toEqual({ left: 2, top: 2, width: 7, height: 7 })
    expect([mask[5 * 20 + 5], mask[5 * 20 + 12]]).toEqual([0, 255])
    painting.begin({ mode: 'restore', ...hard })
    painting.to(5, 5)
    painting.end()
    expect(mask.every((alpha) => alpha === 255)).toBe(true)
  })

  it('that goes over a place twice in a stroke covers it once', () => {
    const mask = new Uint8Array(40 * 40).fill(200)
    const painting = openPainting(mask, 40, 40)
    painting.begin({ mode: 'erase', radius: 10, softness: 1 })
    painting.to(20, 20)
    const once = mask.slice()
    painting.to(20, 20)
    expect(mask).toEqual(once)
    painting.end()
    painting.begin({ mode: 'erase', radius: 10, softness: 1 })
    painting.to(20, 20)
    expect(mask[20 * 40 + 26]).toBeLessThan(once[20 * 40 + 26] as number)
  })

  it('leaves no gap on its way, and stays within the picture', () => {
    const mask = new Uint8Array(100 * 10).fill(255)
    const painting = openPainting(mask, 100, 10)
    painting.begin({ mode: 'erase', ...hard })
    painting.to(-20, 5)
    painting.to(120, 5)
    painting.end()
    expect(mask.subarray(5 * 100, 6 * 100).every((alpha) => alpha === 0)).toBe(true)
    expect(painting.strokes()).toBe(1)
  })

  it('is undone stroke by stroke', () => {
    const mask = Uint8Array.from({ length: 400 }, (_, at) => at % 256)
    const before = mask.slice()
    const painting = openPainting(mask, 20, 20)
    for (const mode of ['erase', 'restore', 'erase'] as const) {
      painting.begin({ mode, radius: 6, softness: 0.5 })
      painting.to(8, 8)
      painting.to(12, 14)
      painting.end()
    }
    while (painting.undo());
    expect(mask).toEqual(before)
    expect(painting.undo()).toBeUndefined()
  })
})

it('the rectangle around two holds both', () => {
  const [a, b] = [
    { left: 1, top: 2, width: 3, height: 4 },
    { left: 0, top: 5, width: 2, height: 9 },
  ]
  expect(joined(a, b)).toEqual({ left: 0, top: 2, width: 4, height: 12 })
  expect(joined(undefined, a)).toEqual(a)
})
