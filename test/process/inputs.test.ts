import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { collectInputs, type InputOptions } from '../../src/process/inputs.ts'
import { temporaryFolder } from '../support/cli.ts'

async function tree(...paths: string[]): Promise<string> {
  const cwd = await temporaryFolder()
  for (const path of paths) {
    const isFolder = path.endsWith('/')
    await mkdir(isFolder ? join(cwd, path) : dirname(join(cwd, path)), { recursive: true })
    if (!isFolder) await writeFile(join(cwd, path), path)
  }
  return cwd
}

const collect = (cwd: string, patterns: string[], options: Partial<InputOptions> = {}) =>
  collectInputs({
    patterns,
    ignore: [],
    excludeFolders: [],
    takesJobs: false,
    stdin: Readable.from([]),
    cwd,
    ...options,
  })
const shown = async (...args: Parameters<typeof collect>) =>
  (await collect(...args)).map((each) => each.shown)

describe('a folder', () => {
  it('stands for the images below it, whatever the case of their names, hidden ones left out', async () => {
    const cwd = await tree(
      'p/a.jpg',
      'p/B.JPEG',
      'p/s/c.tiff',
      'p/d.heic',
      'p/notes.txt',
      'p/.hidden/x.jpg',
      'p/.y.jpg',
      'p/z.svg',
    )
    expect(await shown(cwd, ['p'])).toEqual(['p/B.JPEG', 'p/a.jpg', 'p/d.heic', 'p/s/c.tiff'])
    expect(await shown(cwd, ['.'])).toHaveLength(4)
  })

  it('is not left through a link and does not loop; linked files are taken', async () => {
    const cwd = await tree('p/a.jpg', 'q/b.jpg')
    await symlink('..', join(cwd, 'p/up'))
    await symlink('../q/b.jpg', join(cwd, 'p/link.jpg'))
    expect(await shown(cwd, ['p'])).toEqual(['p/a.jpg', 'p/link.jpg'])
  })
})

describe('a glob', () => {
  it('takes what it matches and leaves folders out, unless they are called like an image', async () => {
    const cwd = await tree('p/a.jpg', 'p/b.bin', 'p/s/c.jpg', 'p/x.jpg/')
    expect(await shown(cwd, ['p/*'])).toEqual(['p/a.jpg', 'p/b.bin', 'p/x.jpg'])
    expect(await shown(cwd, ['p/**/*.jpg'])).toEqual(['p/a.jpg', 'p/s/c.jpg', 'p/x.jpg'])
  })

  it('is not one when a file of that name exists', async () => {
    const cwd = await tree('p/a[1].jpg', 'p/a1.jpg', 'p (old)/b.jpg', '-dash.jpg')
    expect(await shown(cwd, ['p/a[1].jpg'])).toEqual(['p/a[1].jpg'])
    expect(await shown(cwd, ['p (old)'])).toEqual(['p (old)/b.jpg'])
    expect(await shown(cwd, ['-dash.jpg'])).toEqual(['-dash.jpg'])
  })
})

describe('a list', () => {
  it('may be separated by newlines or NULs, with folders, blank lines, a BOM and missing files in it', async () => {
    const cwd = await tree('p/a.jpg', 'p/s/b.jpg', 'new\nline.jpg')
    const list = (content: string) => shown(cwd, ['-'], { stdin: Readable.from([Buffer.from(content)]) })
    expect(await list('p/a.jpg\r\n\r\np/s\nmissing.jpg\n')).toEqual(['missing.jpg', 'p/a.jpg', 'p/s/b.jpg'])
    expect(await list('\uFEFFp/a.jpg')).toEqual(['p/a.jpg'])
    expect(await list('new\nline.jpg\0p/a.jpg\0')).toEqual(['new\nline.jpg', 'p/a.jpg'])
    await writeFile(join(cwd, 'list.txt'), 'p/a.jpg\n')
    expect(await shown(cwd, [], { fromFile: 'list.txt' })).toEqual(['p/a.jpg'])
    await expect(shown(cwd, [], { fromFile: 'none.txt' })).rejects.toMatchObject({ code: 'USAGE' })
  })
})

describe('all of them together', () => {
  it('name a file once', async () => {
    const cwd = await tree('p/a.jpg', 'p/b.jpg')
    expect(await shown(cwd, ['p', 'p/*.jpg', 'p/a.jpg', join(cwd, 'p/a.jpg')])).toEqual([
      'p/a.jpg',
      'p/b.jpg',
    ])
  })

  it('are seen from their common folder', async () => {
    const cwd = await tree('shop/a/x.jpg', 'shop/b/x.jpg')
    const below = async (...patterns: string[]) => (await collect(cwd, patterns)).map((each) => each.relative)
    expect(await below('shop')).toEqual(['a/x.jpg', 'b/x.jpg'])
    expect(await below('shop/**/*.jpg')).toEqual(['a/x.jpg', 'b/x.jpg'])
    expect(await below('shop/a', 'shop/b')).toEqual(['a/x.jpg', 'b/x.jpg'])
    expect(await below('shop/a/x.jpg', 'shop/b/x.jpg')).toEqual(['a/x.jpg', 'b/x.jpg'])
    expect(await below('shop/a')).toEqual(['x.jpg'])
  })

  it('leave out what --ignore matches, by path or by name', async () => {
    const cwd = await tree('p/a.jpg', 'p/drafts/b.jpg', 'p/c-old.jpg')
    expect(await shown(cwd, ['p'], { ignore: ['p/drafts/**', '*-old.jpg'] })).toEqual(['p/a.jpg'])
    expect(await shown(cwd, ['p/**/*.jpg'], { ignore: ['**/drafts/**'] })).toEqual(['p/a.jpg', 'p/c-old.jpg'])
  })

  it('never hold our own outputs or unfinished files', async () => {
    const cwd = await tree('p/a.jpg', 'p/out/a.png', 'p/.rmbg-tmp-12.png')
    expect(await shown(cwd, ['p', 'p/{.*,*}'], { excludeFolders: [join(cwd, 'p/out')] })).toEqual(['p/a.jpg'])
    await expect(collect(cwd, ['p'], { excludeFolders: [join(cwd, 'p')] })).rejects.toMatchObject({
      code: 'USAGE',
    })
  })

  it('are refused when one of them matches nothing, and every such one is named', async () => {
    const cwd = await tree('p/a.jpg', 'empty/')
    await expect(collect(cwd, ['p', 'empty', 'none/*.jpg'])).rejects.toThrow(
      'No image matches empty, none/*.jpg.',
    )
    await expect(collect(cwd, [])).rejects.toMatchObject({ code: 'USAGE' })
  })
})
