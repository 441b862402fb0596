import { describe, expect, it } from 'vitest'
import { planBesideInputs, planFile, planOutputs, planWholeNames } from '../../src/process/outputs.ts'

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

  it('say which input they are of, where others may still come', () => {
    const path = planWholeNames('/out', 'png', '-cut')
    const of = (relative: string) => path({ path: `s3://b/${relative}`, shown: relative, relative })
    expect(of('a/x.jpg')).toBe('/out/a/x.jpg-cut.png')
    const long = ['jpg', 'png'].map((extension) => of(`a/${'ü'.repeat(125)}.${extension}`))
    expect(new Set(long).size).toBe(2)
    for (const name of long) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255 + '/out/a/'.length)
    expect(() => of('../x.jpg')).toThrow('outside')
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

/** Files below `/in`, as inputs. */
const files = (...names: string[]) =>
  names.map((relative) => ({ path: `/in/${relative}`, shown: relative, relative }))

describe('cut-outs beside their inputs', () => {
  const beside = (...names: string[]) =>
    files(...names).map(planBesideInputs(files(...names), 'png', '-cutout'))

  it('have a suffix, and never the name of another', () => {
    expect(beside('a/x.jpg', 'y.png')).toEqual(['/in/a/x-cutout.png', '/in/y-cutout.png'])
    expect(beside('x.jpg', 'x.webp')).toEqual(['/in/x.jpg-cutout.png', '/in/x.webp-cutout.png'])
  })

  it('keep the suffix where the name is too long', () => {
    const [path] = beside(`${'n'.repeat(251)}.png`)
    expect(path).toBe(`/in/${'n'.repeat(244)}-cutout.png`)
  })

  it('are refused for an input that lies nowhere', () => {
    const piped = { path: '/tmp/1', shown: 'stdin', relative: 'stdin', loggedPath: 'stdin' }
    expect(() => planBesideInputs([piped], 'png', '-cutout')).toThrow('stdin lies in no folder')
  })
})

describe('an output folder that holds the inputs', () => {
  it('is taken where no cut-out has the name of an input', () => {
    expect(files('x.jpg', 'a/y.jpg').map(planOutputs(files('x.jpg', 'a/y.jpg'), '/in', 'png'))).toEqual([
      '/in/x.png',
      '/in/a/y.png',
    ])
    expect(files('x.jpg').map(planOutputs(files('x.jpg'), '/', 'png'))).toEqual(['/x.png'])
  })

  it.each([
    ['the same name', ['x.png']],
    ['the name of another', ['x.jpg', 'x.png']],
    ['the same name in another case', ['X.PNG']],
    ['the name of two inputs', ['x.jpg', 'x.webp']],
  ])('is refused without a suffix for %s', (_, names) => {
    expect(() => planOutputs(files(...names), '/in', 'png')).toThrow(
      'would have the name of an input in /in.',
    )
    expect(() => planOutputs(files(...names), '/in', 'png', '-c')).not.toThrow()
  })
})

describe('one output file', () => {
  it('is for one input', () => {
    expect(files('x.jpg').map(planFile(files('x.jpg'), '/out.png'))).toEqual(['/out.png'])
    expect(() => planFile(files('x.jpg', 'y.jpg'), '/out.png')).toThrow(
      expect.objectContaining({
        message: '--output /out.png is one file, and there are 2 inputs.',
        hint: 'To have a folder, end its name in a slash: --output /out/',
      }),
    )
  })

  it('is never the input', () => {
    expect(() => planFile(files('x.png'), '/in/x.png')).toThrow('--output /in/x.png is the input itself.')
  })
})
