import { describe, expect, it } from 'vitest'
import { isText, pathBytes, pathOf, shownPath, systemPath, unshownPath } from '../../src/system/file-names.ts'

describe('a path of any bytes', () => {
  it.each<[string, Buffer, string]>([
    ['ASCII', Buffer.from('a/b.jpg'), 'a/b.jpg'],
    ['UTF-8', Buffer.from('商/\u{1f600}.jpg'), '商/\u{1f600}.jpg'],
    ['Latin-1', Buffer.from('caf\xe9.jpg', 'latin1'), 'caf%E9.jpg'],
    [
      'both',
      Buffer.concat([Buffer.from('é\u{1f600}'), Buffer.from([0xe9, 0xff]), Buffer.from('商')]),
      'é\u{1f600}%E9%FF商',
    ],
    ['a character cut off', Buffer.from([0x61, 0xf0, 0x9f, 0x98]), 'a%F0%9F%98'],
    ['Shift-JIS', Buffer.from([0x8f, 0xa4, 0x95, 0x69]), '%8F%A4%95i'],
    ['a surrogate, which is no UTF-8', Buffer.from([0xed, 0xb3, 0xa9]), '%ED%B3%A9'],
  ])('is text and the same bytes again: %s', (_, bytes, shown) => {
    const path = pathOf(bytes)
    expect(pathBytes(path)).toEqual(bytes)
    expect(shownPath(path)).toBe(shown)
    expect(isText(path)).toBe(shown === bytes.toString())
    expect(systemPath(path)).toEqual(isText(path) ? path : bytes)
  })

  it('is found again by how it is shown', () => {
    expect(unshownPath('p/caf%E9.jpg')).toBe(pathOf(Buffer.from('p/caf\xe9.jpg', 'latin1')))
    expect(unshownPath('100%.jpg')).toBeUndefined()
    expect(unshownPath('a%20b.jpg')).toBeUndefined()
  })
})
