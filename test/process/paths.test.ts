import { describe, expect, it } from 'vitest'
import { openPaths, packedPaths } from '../../src/process/inputs/paths.ts'

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

  it('that are packed come by name and once each, below their folder or as they are', () => {
    const names = Array.from({ length: 2500 }, (_, index) => `s/${String(index).padStart(4, '0')}\udce9.jpg`)
    const packed = packedPaths([...names.toReversed(), names[7]!, ''], '/p')
    expect(packed.length).toBe(2501)
    expect([...packed]).toEqual(['/p', ...names.map((name) => `/p/${name}`)])
    expect([...packedPaths(['b', 'a'], '/')]).toEqual(['/a', '/b'])
    expect([...packedPaths(['/b', '/a'])]).toEqual(['/a', '/b'])
    expect([...packedPaths([], '/p')]).toEqual([])
  })

  it('that are packed are the same as others, whatever comes before or after them', () => {
    const packed = packedPaths(['a', 'b'], '/p')
    for (const before of [[], ['/p/b'], ['/q']]) {
      for (const after of [[], ['/p/a'], ['/r']]) {
        const paths = openPaths()
        for (const path of before) expect(paths.add(path)).toBe(true)
        paths.addAll(packed)
        for (const path of after) expect(paths.add(path)).toBe(path === '/r')
        const expected = [...new Set([...before, '/p/a', '/p/b', ...after])]
        expect([...paths]).toEqual(expected)
        expect(paths.length).toBe(expected.length)
      }
    }
    const paths = openPaths()
    paths.addAll(packed)
    paths.addAll(packedPaths(['b', 'c'], '/p'))
    expect([...paths]).toEqual(['/p/a', '/p/b', '/p/c'])
    expect([paths.has('/p/c'), paths.has('/p/d')]).toEqual([true, false])
  })
})
