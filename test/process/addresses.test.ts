import { describe, expect, it } from 'vitest'
import {
  isAddress,
  nameOfAddress,
  safeRelative,
  shownAddress,
  timeOfEtag,
} from '../../src/process/inputs/addresses.ts'

describe('an address', () => {
  it('is told from a path', () => {
    expect(['https://a/b.jpg', 'HTTP://a', 's3://b/k'].map(isAddress)).toEqual([true, true, true])
    expect(['https:/a', 'a/https://b', 'ftp://a/b', 's3:b'].map(isAddress)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })

  it.each([
    ['https://anna:secret@shop.example/mug.jpg#top', 'https://shop.example/mug.jpg'],
    [
      'https://b.s3.amazonaws.com/mug.jpg?X-Amz-Signature=0123&X-Amz-Credential=AKIA%2F1&X-Amz-Expires=60',
      'https://b.s3.amazonaws.com/mug.jpg',
    ],
    [
      'https://x.blob.core.windows.net/c/mug.jpg?sv=2022&se=2026&sr=b&sp=r&sig=abc',
      'https://x.blob.core.windows.net/c/mug.jpg',
    ],
    [
      'https://shop.example/img?id=12&size=large&token=abc&api_key=def&pw=x',
      'https://shop.example/img?id=12&size=large',
    ],
    ['https://shop.example:8443/img?w=10', 'https://shop.example:8443/img?w=10'],
  ])('is shown without what lets somebody in: %s', (address, shown) => {
    expect(shownAddress(address)).toBe(shown)
  })

  it('shows long values by their digest, so that pictures stay apart', () => {
    const long = (letter: string) => shownAddress(`https://shop.example/img?of=${letter.repeat(40)}`)
    expect(long('a')).not.toContain('aaaa')
    expect(long('a')).not.toBe(long('b'))
  })

  it('gives its cut-out a name, and leads out of no folder', () => {
    expect(nameOfAddress('https://shop.example/a/my%20mug.jpg?w=1')).toBe('my mug.jpg')
    expect(nameOfAddress('https://shop.example/')).toBe('shop.example')
    expect(nameOfAddress('https://shop.example/a/..%2F..%2Fetc')).toBe('etc')
    expect(safeRelative('a/../../b//c\\d.jpg')).toBe('a/b/c_d.jpg')
  })
})

it('the time of an object follows from its ETag and version, however they are written', () => {
  expect(timeOfEtag('"a"')).toBe(timeOfEtag('a'))
  expect(timeOfEtag('W/"a"')).toBe(timeOfEtag('a'))
  expect(timeOfEtag('a')).not.toBe(timeOfEtag('b'))
  expect(timeOfEtag('a', 'v1')).not.toBe(timeOfEtag('a'))
  expect(timeOfEtag('a')).toBeLessThan(2n ** 63n)
})
