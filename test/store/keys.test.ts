import { v7 as uuidv7 } from 'uuid'
import { describe, expect, it } from 'vitest'
import { objectKinds } from '../../src/store/contract.ts'
import { assertKey, contentTypeOf, jobPrefix, keyParts, objectKey } from '../../src/store/keys.ts'

const jobId = '01936f0a-3c00-7abc-8def-0123456789ab'

describe('keys', () => {
  it('follow from the job id and the attempt', () => {
    expect(objectKey('mask', jobId, 1, 'png')).toBe(`mask/2024/11/27/${jobId}-1.png`)
    expect(objectKey('mask', jobId, 12, 'png')).toBe(`mask/2024/11/27/${jobId}-12.png`)
    expect(objectKey('original', uuidv7(), 1, 'jpg')).toMatch(
      /^original\/20\d\d\/\d\d\/\d\d\/[0-9a-f-]{36}-1\.jpg$/,
    )
    expect(() => assertKey(objectKey('processed', jobId, 1, 'webp'))).not.toThrow()
    for (const bad of ['../../x', '', '01936f0a-3c00-4abc-8def-0123456789ab']) {
      expect(() => objectKey('mask', bad, 1, 'png')).toThrow(TypeError)
    }
    for (const bad of [0, -1, 1.5, Number.NaN])
      expect(() => objectKey('mask', jobId, bad, 'png')).toThrow(TypeError)
    for (const bad of ['', 'p/g', '.png', 'PNG', 'a'.repeat(9)])
      expect(() => objectKey('mask', jobId, 1, bad)).toThrow(TypeError)
  })

  it('say which job and attempt they are of, also those from before attempts had keys of their own', () => {
    for (const kind of objectKinds) {
      for (const attempt of [1, 2, 10, 2_147_483_647]) {
        const key = objectKey(kind, jobId, attempt, 'png')
        expect(keyParts(key)).toEqual({ kind, jobId, attempt, extension: 'png' })
        expect(key.startsWith(jobPrefix(kind, jobId))).toBe(true)
      }
      expect(keyParts(`${jobPrefix(kind, jobId)}.webp`)).toEqual({
        kind,
        jobId,
        attempt: 0,
        extension: 'webp',
      })
    }
  })

  it.each([
    '',
    'original/readme.txt',
    `mask/1999/01/01/${jobId}-1.png`,
    `other/2024/11/27/${jobId}-1.png`,
    `mask/2024/11/27/x/${jobId}-1.png`,
    `x/mask/2024/11/27/${jobId}-1.png`,
    `mask/2024/11/27/${jobId}-0.png`,
    `mask/2024/11/27/${jobId}-01.png`,
    `mask/2024/11/27/${jobId}-.png`,
    `mask/2024/11/27/${jobId}-1-2.png`,
    `mask/2024/11/27/${jobId}-12345678901.png`,
    `mask/2024/11/27/${jobId}`,
    `mask/2024/11/27/${jobId.toUpperCase()}-1.png`,
  ])('are not taken for ours: %s', (key) => {
    expect(keyParts(key)).toBeUndefined()
  })

  it('have the order of their job ids, with all attempts at a job beside each other', () => {
    const next = '01936f0a-3c00-7abc-8def-0123456789ac'
    const prefixes = [jobId, next].map((id) => jobPrefix('mask', id))
    const names = ['-1.png', '-10.webp', '-2.png', '.png', '.webp']
    const keys = prefixes.flatMap((prefix) => names.map((name) => prefix + name))
    expect([...keys].reverse().sort()).toEqual(keys)
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
