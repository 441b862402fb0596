import { v7 as uuidv7 } from 'uuid'
import { describe, expect, it } from 'vitest'
import { assertKey, contentTypeOf, objectKey } from '../../src/store/keys.ts'

describe('keys', () => {
  it('follow from the job id alone', () => {
    const jobId = '01936f0a-3c00-7abc-8def-0123456789ab'
    expect(objectKey('mask', jobId, 'png')).toBe(`mask/2024/11/27/${jobId}.png`)
    expect(objectKey('original', uuidv7(), 'jpg')).toMatch(
      /^original\/20\d\d\/\d\d\/\d\d\/[0-9a-f-]{36}\.jpg$/,
    )
    expect(() => assertKey(objectKey('processed', jobId, 'webp'))).not.toThrow()
    for (const bad of ['../../x', '', '01936f0a-3c00-4abc-8def-0123456789ab']) {
      expect(() => objectKey('mask', bad, 'png')).toThrow(TypeError)
    }
    for (const bad of ['', 'p/g', '.png', 'PNG', 'a'.repeat(9)])
      expect(() => objectKey('mask', jobId, bad)).toThrow(TypeError)
  })

  it('tell the content type', () => {
    expect(['a/b.jpg', 'png', 'x.y.webp', 'bin'].map(contentTypeOf)).toEqual([
      'image/jpeg',
      'image/png',
      'image/webp',
      'application/octet-stream',
    ])
  })
})
