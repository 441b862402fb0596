import { chmod, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { diskProblem, sync, writeAtomically } from '../../src/system/files.ts'
import { temporaryFolder } from '../support/cli.ts'

describe('writing a file', () => {
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

  it('names what it was to be, and says what is in the way', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a'), '')
    await expect(writeAtomically(join(folder, 'a/x.png'), Buffer.from('x'), { what: 'cut-out' })).rejects.toMatchObject(
      {
        code: 'OUTPUT_UNWRITABLE',
        message: `The cut-out x.png cannot be written to ${folder}/a: a file stands where a folder is needed.`,
      },
    )
    await mkdir(join(folder, 'x.png'))
    await expect(writeAtomically(join(folder, 'x.png'), Buffer.from('x'))).rejects.toThrow(
      'a folder stands in its place',
    )
    expect(await readdir(folder)).toEqual(['a', 'x.png'])
    await chmod(folder, 0o700)
  })
})

describe('what a disk refuses', () => {
  it.each([
    ['ENOSPC', { problem: 'full', sentence: 'The disk of /photos is full.' }],
    ['EDQUOT', { problem: 'full', sentence: 'The disk of /photos is full.' }],
    ['EROFS', { problem: 'denied', sentence: 'There is no permission to write to /photos (EROFS).' }],
    ['EIO', undefined],
  ])('%s', (code, expected) => {
    expect(diskProblem(Object.assign(new Error(code), { code }), '/photos')).toEqual(expected)
  })
})

it('files and folders can be flushed, and one that is not there is an error', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'a'), 'a')
  await sync(join(folder, 'a'))
  await sync(folder)
  await expect(sync(join(folder, 'b'))).rejects.toMatchObject({ code: 'ENOENT' })
})
