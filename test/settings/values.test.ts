/** What settings accept, and what they make of it. */
import { expect, it } from 'vitest'
import { byteSize } from '../../src/settings/values.ts'

it.each([
  ['4GB', 4e9],
  ['4GiB', 2 ** 32],
  ['500KB', 500_000],
  [' 1.5 MB ', 1_500_000],
  [1_500_000, 1_500_000],
  ['1500000', 1_500_000],
])('%j is %i bytes', (given, bytes) => {
  expect(byteSize.parse(given)).toBe(bytes)
})

it.each(['', 'much', '4G', '10 apples', '-1MB', '0', 0, -5, 0.4, true, Number.POSITIVE_INFINITY])(
  '%j is no size',
  (given) => {
    expect(byteSize.safeParse(given).success).toBe(false)
  },
)
