import { expect, it } from 'vitest'
import { fromHalf, fromHalves, toHalf } from '../../src/model/half.ts'

it('every half-precision number survives the way there and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const number = fromHalf(bits)
    if (Number.isNaN(number)) expect(Number.isNaN(fromHalf(toHalf(number)))).toBe(true)
    else if (toHalf(number) !== bits)
      expect.fail(`${bits.toString(16)} became ${toHalf(number).toString(16)}`)
  }
})

it('a number between two becomes the nearer, and the even one from halfway', () => {
  expect(fromHalf(toHalf(1 + 0.4 / 1024))).toBe(1)
  expect(fromHalf(toHalf(1 + 0.6 / 1024))).toBe(1 + 1 / 1024)
  expect(fromHalf(toHalf(1 + 0.5 / 1024))).toBe(1)
  expect(fromHalf(toHalf(1 + 1.5 / 1024))).toBe(1 + 2 / 1024)
  expect(fromHalf(toHalf(1.5 * 2 ** -24))).toBe(2 * 2 ** -24)
  expect(fromHalf(toHalf(65519))).toBe(65504)
  expect(fromHalf(toHalf(65520))).toBe(Number.POSITIVE_INFINITY)
})

it('many at once are the same numbers', () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, half) => half)
  expect(Buffer.from(fromHalves(all).buffer)).toEqual(Buffer.from(Float32Array.from(all, fromHalf).buffer))
})
