import { describe, expect, it } from 'vitest'
import { inPart, isInPart, partOf } from '../../src/process/inputs/part.ts'
import type { Candidate } from '../../src/process/inputs.ts'

const candidate = (path: string): Candidate => ({ path, shown: path, relative: path })

describe('a part of the inputs', () => {
  it.each([
    ['3/8', {}, { number: 3, of: 8 }],
    ['auto', { AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ARRAY_SIZE: '4' }, { number: 1, of: 4 }],
    ['auto/4', { JOB_COMPLETION_INDEX: '3' }, { number: 4, of: 4 }],
  ])('is named as %s', (text, env, part) => {
    expect(partOf(text, env)).toEqual(part)
  })

  it.each([
    ['0/8', {}, 'which does not exist'],
    ['9/8', {}, 'which does not exist'],
    ['3', {}, 'expects a part such as 3/8'],
    ['a/b', {}, 'expects a part such as 3/8'],
    ['auto', {}, 'is for array jobs, and this is none'],
    ['auto', { JOB_COMPLETION_INDEX: '3' }, 'nothing says of how many'],
    ['auto/4', { JOB_COMPLETION_INDEX: '4' }, 'part 5 of 4'],
    ['auto/5', { AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ARRAY_SIZE: '4' }, 'contradicts'],
  ])('is refused as %s', (text, env, sentence) => {
    expect(() => partOf(text, env)).toThrow(sentence)
  })

  it('is disjoint from the others, and together they are complete', async () => {
    const all = Array.from({ length: 1000 }, (_, index) => candidate(`s3://shop/${index}.jpg`))
    const parts = [1, 2, 3].map((number) => inPart(all, { number, of: 3 }))
    expect(parts.map(({ length }) => length).every((length) => length > 250)).toBe(true)
    const paths = (list: Iterable<Candidate>) => [...list].map(({ path }) => path)
    expect(parts.flatMap(paths).sort()).toEqual(paths(all).sort())
    const streamed = inPart(
      Object.assign([], {
        more: (async function* () {
          yield all
        })(),
      }),
      { number: 1, of: 3 },
    )
    const found: Candidate[] = []
    for await (const page of streamed.more ?? []) found.push(...page)
    expect(found).toEqual([...(parts[0] ?? [])])
  })

  it('is the same however an address is signed', () => {
    const path = (signature: string) => ({
      ...candidate(`https://a/b.jpg?X-Amz-Signature=${signature}`),
      loggedPath: 'https://a/b.jpg',
    })
    for (const number of [1, 2, 3])
      expect(isInPart(path('1'), { number, of: 3 })).toBe(isInPart(path('2'), { number, of: 3 }))
  })
})
