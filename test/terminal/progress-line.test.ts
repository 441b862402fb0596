import stringWidth from 'string-width'
import { describe, expect, it } from 'vitest'
import { cutTo, etaText, progressLine } from '../../src/terminal/progress-line.ts'

const pieces = [
  { text: '312/500', rank: 1 },
  { text: '12.3 images/s', rank: 4 },
  { text: 'ETA 15s', rank: 3 },
  { text: '4 failed', rank: 2 },
]

describe('a progress line', () => {
  it.each([
    [159, '███████████████████░░░░░░░░░░░  312/500  12.3 images/s  ETA 15s  4 failed'],
    [60, '███████████░░░░░░  312/500  12.3 images/s  ETA 15s  4 failed'],
    [39, '███████░░░░  312/500  ETA 15s  4 failed'],
    [29, '██████░░░░  312/500  4 failed'],
    [20, '███████░░░░  312/500'],
    [7, '312/500'],
    [4, '312…'],
  ])('of %i columns leaves out what matters least', (width, expected) => {
    expect(progressLine(pieces, { width, progress: 0.62 })).toBe(expected)
  })

  it('is never wider than it may be', () => {
    for (let width = 1; width < 200; width++)
      expect(stringWidth(progressLine(pieces, { width, progress: 1 }))).toBeLessThanOrEqual(width)
  })
})

it('text is cut by the columns it takes', () => {
  expect(cutTo(6, '漢字漢字')).toBe('漢字…')
  expect(cutTo(8, '漢字漢字')).toBe('漢字漢字')
})

it.each([
  [0.2, 'ETA 1s'],
  [10, 'ETA 10s'],
  [58, 'ETA 1m00s'],
  [563, 'ETA 9m25s'],
  [3599, 'ETA 1h00m'],
  [7260, 'ETA 2h01m'],
  [Number.NaN, ''],
])('%d seconds are %s', (seconds, expected) => {
  expect(etaText(seconds)).toBe(expected)
})
