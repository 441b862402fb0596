import { describe, expect, it } from 'vitest'
import { toAlpha } from '../../src/model/tensors.ts'

const plain = { activation: 'none' } as const

describe('the values of a mask', () => {
  it('are clamped to 0..1, and otherwise as the model gave them', () => {
    const tiny = 2 ** -149
    const values = [0, -0, tiny, -tiny, 0.25, 1 - 2 ** -24, 1, 1 + 2 ** -23, 1.5, 3e38, -3e38]
    expect([...toAlpha(Float32Array.from(values), plain)]).toEqual([
      ...[0, 0, tiny, 0, 0.25, 1 - 2 ** -24, 1],
      ...[1, 1, 1, 0],
    ])
  })

  it('are clamped alike with and without an inversion', () => {
    const values = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 1000)
    const inverted = toAlpha(values, { ...plain, invert: true })
    expect(inverted).toEqual(toAlpha(values, plain).map((value) => 1 - value))
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'are refused with %s among them',
    (bad) => {
      for (const [values, activation] of [
        [[0.5, bad, 0.5], 'none'],
        [[0.5, bad, 0.5], 'sigmoid'],
      ] as const) {
        expect(() => toAlpha(Float32Array.from(values), { ...plain, activation })).toThrow(
          `The model gave a mask with ${bad} in it.`,
        )
      }
    },
  )

  it('may begin anywhere in what the model gave', () => {
    const raw = Float32Array.from([9, 0.5, 2, 9]).subarray(1, 3)
    expect([...toAlpha(raw, plain)]).toEqual([0.5, 1])
  })
})
