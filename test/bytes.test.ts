/** One convention for sizes, in and out: KB is 1000 bytes, KiB 1024. */
import { describe, expect, it } from 'vitest'
import { parseSize, sizeText } from '../src/bytes.ts'

describe('a size that is read', () => {
  it.each([
    ['1', 1],
    ['500B', 500],
    ['500KB', 500_000],
    ['500 kb', 500_000],
    ['4MB', 4_000_000],
    ['1.5GB', 1_500_000_000],
    ['2TB', 2e12],
    ['500KiB', 512_000],
    ['4MiB', 4_194_304],
    ['1.5GiB', 1_610_612_736],
    ['2tib', 2 ** 41],
    ['0.7KB', 700],
    [' 4MB ', 4_000_000],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each(['', 'big', '4G', '4K', '10 apples', '12abc', '-4MB', '1e3', '4MB5', '.5MB', '9999999TB', '1,5GB'])(
    '%j is none',
    (text) => {
      expect(parseSize(text)).toBeUndefined()
    },
  )
})

describe('a size that is shown', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KB'],
    [9_949, '9.9 KB'],
    [9_950, '10 KB'],
    [512_000, '512 KB'],
    [999_499, '999 KB'],
    [999_500, '1.0 MB'],
    [4_194_304, '4.2 MB'],
    [44_300_000, '44 MB'],
    [2 ** 32, '4.3 GB'],
    [5e12, '5.0 TB'],
    [5e15, '5000 TB'],
  ])('of %i bytes is %s', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text)
  })

  it('is empty where nobody knows it', () => {
    expect(sizeText(undefined)).toBe('')
  })

  it('is the size that was read', () => {
    for (const text of ['500 KB', '4.0 MB', '1.5 GB', '20 GB', '2.0 TB'])
      expect(sizeText(parseSize(text))).toBe(text)
  })
})
