/** Pictures of four quarters, as the samples of several formats have them. */
import { expect } from 'vitest'
import { decode } from '../../../src/cutout/codec/decode.ts'

export const [red, green, blue, grey] = [
  [200, 40, 30],
  [30, 160, 60],
  [40, 60, 190],
  [128, 128, 128],
] as const
/** Left and right above, left and right below. */
export const plain = [red, green, blue, grey]
/** The same numbers as Display P3 are these in sRGB, by the matrices of CSS Color 4 (clipped). */
export const fromP3 = [
  [219, 0, 9],
  [0, 163, 42],
  [34, 62, 196],
  [128, 128, 128],
]

/** Colors in the middle of the four quarters: left and right above, left and right below. */
export async function quarters(bytes: Uint8Array, keepProfile = false) {
  const { data, width, height, channels, ...rest } = await decode(bytes, { depth: 8, keepProfile })
  const at = (x: number, y: number) => [
    ...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels),
  ]
  const [left, right, top, bottom] = [width, height].flatMap((side) => [
    Math.round(side / 4),
    Math.round((side * 3) / 4),
  ])
  return {
    colors: [at(left!, top!), at(right!, top!), at(left!, bottom!), at(right!, bottom!)],
    ...{ width, height, channels, ...rest },
  }
}

export const expectColors = (
  found: readonly (readonly number[])[],
  wanted: readonly (readonly number[])[],
  tolerance: number,
) =>
  found.forEach((color, index) => {
    color.forEach((value, channel) => {
      expect(Math.abs(value - wanted[index]![channel]!), `${found} ${wanted}`).toBeLessThanOrEqual(tolerance)
    })
  })
