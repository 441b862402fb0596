import { describe, expect, it } from 'vitest'
import { planOutputs } from '../../src/process/outputs.ts'

function plan(...names: string[]): string[] {
  const candidates = names.map((relative) => ({ path: `/in/${relative}`, shown: relative, relative }))
  return candidates.map(planOutputs(candidates, '/out', 'png')).map((path) => path.slice('/out/'.length))
}

describe('the names of cut-outs', () => {
  it('mirror the inputs', () => {
    expect(plan('a/x.jpg', 'b/x.jpg', 'c/no-extension')).toEqual(['a/x.png', 'b/x.png', 'c/no-extension.png'])
  })

  it('stay whole where inputs differ only in extension or case', () => {
    expect(plan('a/x.jpg', 'a/x.png', 'b/x.jpg')).toEqual(['a/x.jpg.png', 'a/x.png.png', 'b/x.png'])
    expect(plan('X.jpg', 'x.jpeg')).toEqual(['X.jpg.png', 'x.jpeg.png'])
    expect(plan('x.jpg', 'x.png', 'x.jpg.png')).toHaveLength(3)
  })

  it('fit into a directory entry', () => {
    const [name] = plan(`${'ü'.repeat(125)}.jpeg`, `${'ü'.repeat(125)}.jpg`)
    expect(Buffer.byteLength(name!)).toBeLessThanOrEqual(255)
  })

  it('are never shared, for any set of inputs', () => {
    // A small alphabet makes collisions likely; the generator is fixed, so a failure can be repeated.
    let state = 1
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) % 2 ** 31
      return Math.floor((state / 2 ** 31) * below)
    }
    const parts = ['x', 'X', 'y', '.jpg', '.png', '.PNG', '-2', '.jpeg']
    for (let round = 0; round < 500; round++) {
      const names = new Set<string>()
      for (let index = 0; index < 12; index++) {
        names.add(['x', ...Array.from({ length: random(4) }, () => parts[random(parts.length)]!)].join(''))
      }
      const outputs = plan(...names)
      expect(new Set(outputs.map((name) => name.toLowerCase())).size, [...names].join(' ')).toBe(names.size)
    }
  })
})
