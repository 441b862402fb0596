import { describe, expect, it } from 'vitest'
import { openPaths } from '../../src/process/inputs/paths.ts'

describe('paths', () => {
  it('are kept once each and in their order, across chunks and growth', () => {
    const paths = openPaths()
    const expected = new Set<string>()
    for (let index = 0; index < 30_000; index++) {
      const path = `/${'é'.repeat(index % 90)}/${index % 20_000}\udce9.jpg`
      if (paths.add(path) === expected.has(path)) expect.fail(path)
      expected.add(path)
    }
    expect(paths.length).toBe(expected.size)
    expect([...paths]).toEqual([...expected])
  })

  it('are told apart where one begins like the other', () => {
    const paths = openPaths()
    for (const path of ['/a', '/a/b', '/', '/a/', '/a', '/a/b']) paths.add(path)
    expect([...paths]).toEqual(['/a', '/a/b', '/', '/a/'])
  })
})
