import { chmod, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { planOutputs, writeAtomically } from '../../src/process/outputs.ts'
import { temporaryFolder } from '../support/cli.ts'

function plan(...names: string[]): string[] {
  const candidates = names.map((relative) => ({ path: `/in/${relative}`, shown: relative, relative }))
  return [...planOutputs(candidates, '/out', 'png').values()].map((path) => path.slice('/out/'.length))
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

describe('writing a cut-out', () => {
  it('makes folders, replaces what is there and leaves nothing else behind', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'a/b/x.png')
    await writeAtomically(path, Buffer.from('one'))
    await writeAtomically(path, Buffer.from('two'))
    expect(await readFile(path, 'utf8')).toBe('two')
    expect(await readdir(join(folder, 'a/b'))).toEqual(['x.png'])
  })

  it('removes what a process killed a day ago had begun there, and nothing else', async () => {
    const folder = await temporaryFolder()
    const names = ['.rmbg-tmp-old', '.rmbg-tmp-new', 'my.rmbg-tmp-old']
    for (const name of names) await writeFile(join(folder, name), '')
    const yesterday = Date.now() / 1000 - 86_401
    for (const name of names.filter((name) => name.endsWith('old'))) {
      await utimes(join(folder, name), yesterday, yesterday)
    }
    await writeAtomically(join(folder, 'x.png'), Buffer.from('x'))
    expect((await readdir(folder)).sort()).toEqual(['.rmbg-tmp-new', 'my.rmbg-tmp-old', 'x.png'])
  })

  it('says what is in the way', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a'), '')
    await expect(writeAtomically(join(folder, 'a/x.png'), Buffer.from('x'))).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
    })
    await mkdir(join(folder, 'x.png'))
    await expect(writeAtomically(join(folder, 'x.png'), Buffer.from('x'))).rejects.toThrow(
      'a folder stands in its place',
    )
    expect(await readdir(folder)).toEqual(['a', 'x.png'])
    await chmod(folder, 0o700)
  })
})
