import * as fs from 'node:fs/promises'
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { diskProblem, type FileVersion, lookAt, sync, writeAtomically } from '../../src/system/files.ts'
import { temporaryFolder } from '../support/cli.ts'

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>()
  return { ...real, link: vi.fn(real.link) }
})

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
    await expect(
      writeAtomically(join(folder, 'a/x.png'), Buffer.from('x'), { what: 'cut-out' }),
    ).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: `The cut-out x.png cannot be written to ${folder}/a: a file stands where a folder is needed.`,
    })
    await mkdir(join(folder, 'x.png'))
    await expect(writeAtomically(join(folder, 'x.png'), Buffer.from('x'))).rejects.toThrow(
      'a folder stands in its place',
    )
    expect(await readdir(folder)).toEqual(['a', 'x.png'])
    await chmod(folder, 0o700)
  })
})

describe('a name that has to be free', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await temporaryFolder()
    path = join(folder, 'x.png')
  })
  const write = (text: string, over: 'nothing' | FileVersion = 'nothing') =>
    writeAtomically(path, Buffer.from(text), { over })

  describe.each(['with', 'without'])('on a disk %s hard links', (has) => {
    beforeEach(() => {
      if (has === 'with') return
      vi.mocked(fs.link).mockRejectedValueOnce(Object.assign(new Error('no links'), { code: 'EPERM' }))
    })

    it('is taken by a whole file, which is all there is then', async () => {
      expect(await write('ours')).toBe(true)
      expect(await readFile(path, 'utf8')).toBe('ours')
      expect((await lstat(path)).nlink).toBe(1)
      expect(await readdir(folder)).toEqual(['x.png'])
    })

    it.each<[string, () => Promise<unknown>]>([
      ['a file', () => writeFile(path, 'theirs')],
      ['an empty file', () => writeFile(path, '')],
      ['a link that leads nowhere', () => symlink('nowhere', path)],
      ['a folder', () => mkdir(path)],
    ])('is left to %s that is there already', async (_, make) => {
      await make()
      const before = await lstat(path)
      expect(await write('ours')).toBe(false)
      expect(await lstat(path)).toEqual(before)
      expect(await readdir(folder)).toEqual(['x.png'])
    })
  })

  it.each<[string, () => Promise<unknown>]>([
    ['written to', () => appendFile(path, ' and more')],
    ['written to without a change of size', () => writeFile(path, 'them')],
    [
      'written to, with its old time',
      async () => {
        const { atime, mtime } = await stat(path)
        await writeFile(path, 'them')
        await utimes(path, atime, mtime)
      },
    ],
    [
      'replaced',
      async () => {
        await writeFile(join(folder, 'new'), 'mine')
        await rename(join(folder, 'new'), path)
      },
    ],
    [
      'replaced by a link',
      async () => {
        await rename(path, join(folder, 'old'))
        await symlink('old', path)
      },
    ],
  ])('stays with a file that was %s since it was looked at', async (_, change) => {
    await writeFile(path, 'ours')
    const seen = await lookAt(path)
    await change()
    const before = await lstat(path)
    expect(await write('newer', (seen as { version: FileVersion }).version)).toBe(false)
    expect(await lstat(path)).toEqual(before)
  })

  it('goes to the next version of a file that nobody changed', async () => {
    await writeFile(path, 'ours')
    const seen = await lookAt(path)
    expect(await write('newer', (seen as { version: FileVersion }).version)).toBe(true)
    expect(await readFile(path, 'utf8')).toBe('newer')
  })
})

it('a link is replaced itself, never what it leads to', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'theirs'), 'theirs')
  await symlink('theirs', join(folder, 'x.png'))
  expect(await lookAt(join(folder, 'x.png'))).toMatchObject({ kind: 'link' })
  await writeAtomically(join(folder, 'x.png'), Buffer.from('ours'))
  expect(await readFile(join(folder, 'theirs'), 'utf8')).toBe('theirs')
  expect((await lstat(join(folder, 'x.png'))).isFile()).toBe(true)
})

it('a file may have a time of its own', async () => {
  const path = join(await temporaryFolder(), 'x.png')
  await writeAtomically(path, Buffer.from('x'), { changedAtMs: 1_700_000_000_123 })
  expect(Math.round((await stat(path)).mtimeMs)).toBe(1_700_000_000_123)
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

describe('a file system that cannot flush', () => {
  const answering = async (code: string) => {
    const folder = await temporaryFolder()
    const handle = await open(folder)
    const prototype: { sync: () => Promise<void> } = Object.getPrototypeOf(handle)
    await handle.close()
    const flushing = vi
      .spyOn(prototype, 'sync')
      .mockImplementation(() => Promise.reject(Object.assign(new Error(`${code}, fsync`), { code })))
    return { folder, flushing }
  }

  it.each(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])('and says %s is written to', async (code) => {
    const { folder, flushing } = await answering(code)
    try {
      await writeAtomically(join(folder, 'x.png'), Buffer.from('x'))
      await sync(folder)
      expect(flushing).toHaveBeenCalledTimes(2)
      expect(await readFile(join(folder, 'x.png'), 'utf8')).toBe('x')
    } finally {
      flushing.mockRestore()
    }
  })

  it('is told apart from a disk that fails', async () => {
    const { folder, flushing } = await answering('EIO')
    try {
      await expect(writeAtomically(join(folder, 'x.png'), Buffer.from('x'))).rejects.toMatchObject({
        code: 'OUTPUT_UNWRITABLE',
      })
    } finally {
      flushing.mockRestore()
    }
  })
})
