import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import type { NoticeEvent } from '../../src/process/events.ts'
import { collectInputs, type InputOptions } from '../../src/process/inputs.ts'
import { inspectSource } from '../../src/process/source.ts'
import { pathOf, systemPath } from '../../src/system/file-names.ts'
import { root, temporaryFolder } from '../support/cli.ts'
import { usedHeap } from '../support/used-heap.ts'

async function tree(...paths: string[]): Promise<string> {
  const cwd = await temporaryFolder()
  for (const path of paths) {
    const isFolder = path.endsWith('/')
    await mkdir(isFolder ? join(cwd, path) : dirname(join(cwd, path)), { recursive: true })
    if (!isFolder) await writeFile(join(cwd, path), path)
  }
  return cwd
}

const collect = async (cwd: string, patterns: string[], options: Partial<InputOptions> = {}) => [
  ...(await collectInputs({
    patterns,
    ignore: [],
    excludeFolders: [],
    takesJobs: false,
    stdin: Readable.from([]),
    cwd,
    onNotice: () => {},
    ...options,
  })),
]

const shown = async (...args: Parameters<typeof collect>) =>
  (await collect(...args)).map((each) => each.shown)

describe('a picture on standard input', () => {
  const photo = async () => {
    const folder = join(root, 'samples/photos')
    return readFile(join(folder, (await readdir(folder))[0]!))
  }
  const taking = async (bytes: Buffer, patterns = ['-']) => {
    const kept: Buffer[] = []
    const keep = async (content: AsyncIterable<Uint8Array>) => {
      for await (const chunk of content) kept.push(Buffer.from(chunk))
      return '/tmp/kept'
    }
    const cwd = await tree('p/a.jpg')
    const chunks = bytes.length > 10 ? [bytes.subarray(0, 3), bytes.subarray(3)] : [bytes]
    const found = await collect(cwd, patterns, {
      stdin: Readable.from(chunks),
      pictureOnStdin: { name: 'shots/mug.jpg', keep },
    })
    return { found, kept: Buffer.concat(kept) }
  }

  it('is told by its first bytes, kept whole, and has the name that it is given', async () => {
    const bytes = await photo()
    const { found, kept } = await taking(bytes)
    const named = { shown: 'shots/mug.jpg', relative: 'mug.jpg', loggedPath: 'shots/mug.jpg' }
    expect(found).toEqual([{ path: '/tmp/kept', ...named }])
    expect(kept.equals(bytes)).toBe(true)
  })

  it('may come with other inputs', async () => {
    const { found } = await taking(await photo(), ['p', '-'])
    expect(found.map(({ shown }) => shown)).toEqual(['p/a.jpg', 'shots/mug.jpg'])
  })

  it('is not what a list is, nor an archive', async () => {
    const { found, kept } = await taking(Buffer.from('p/a.jpg\n'))
    expect(found.map(({ shown }) => shown)).toEqual(['p/a.jpg'])
    expect(kept.length).toBe(0)
    await expect(taking(Buffer.from('PK\x03\x04\x14\0\0\0'))).rejects.toMatchObject({ code: 'USAGE' })
  })
})

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

describe('a folder that cannot be read', () => {
  it.skipIf(process.platform === 'win32')('is an input of its own, which fails, not left out', async () => {
    const cwd = await tree('p/a.jpg')
    const name = 'd'.repeat(200)
    const deeper = `i=0; while [ $i -lt 30 ]; do mkdir ${name}; cd -P ${name}; i=$((i+1)); done; echo x > b.jpg`
    try {
      await execa('sh', ['-c', deeper], { cwd: join(cwd, 'p') }) // by more than the system's longest path
      const [first, ...others] = await shown(cwd, ['p'])
      expect(first).toBe('p/a.jpg')
      expect(others).toHaveLength(1)
      expect(others[0]).toMatch(/^p\/(d{200}\/)+d{200}$/)
      await expect(inspectSource(join(cwd, others[0]!))).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' })
    } finally {
      await execa('rm', ['-rf', join(cwd, 'p')])
    }
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
  it('may be separated by newlines or NULs, with blank lines, a BOM and missing files in it', async () => {
    const cwd = await tree('p/a.jpg', 'p/s/b.jpg', 'new\nline.jpg')
    const list = (content: string) => shown(cwd, ['-'], { stdin: Readable.from([Buffer.from(content)]) })
    expect(await list('p/s/b.jpg\r\n\r\np/a.jpg\nmissing.jpg\n')).toEqual([
      'p/s/b.jpg',
      'p/a.jpg',
      'missing.jpg',
    ])
    expect(await list('\uFEFFp/a.jpg')).toEqual(['p/a.jpg'])
    expect(await list('new\nline.jpg\0p/a.jpg\0')).toEqual(['new\nline.jpg', 'p/a.jpg'])
    await writeFile(join(cwd, 'list.txt'), 'p/a.jpg\n')
    expect(await shown(cwd, [], { fromFile: 'list.txt' })).toEqual(['p/a.jpg'])
    await expect(shown(cwd, [], { fromFile: 'none.txt' })).rejects.toMatchObject({ code: 'USAGE' })
    await expect(shown(cwd, [], { fromFile: 'p' })).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('names files only: a folder in it is one entry, which is not searched', async () => {
    const cwd = await tree('p/a.jpg', 'p/s/b.jpg')
    await writeFile(join(cwd, 'list.txt'), 'p/s\n/\n.\n..\n*.jpg\n')
    const paths = (await collect(cwd, [], { fromFile: 'list.txt' })).map(({ path }) => path)
    expect(paths).toEqual([join(cwd, 'p/s'), '/', cwd, dirname(cwd), join(cwd, '*.jpg')])
  })

  it('in UTF-16 is told by its byte order mark', async () => {
    const cwd = await tree('p/é 商.jpg')
    const little = Buffer.from('\uFEFFp/é 商.jpg\r\n', 'utf16le')
    await writeFile(join(cwd, 'little.txt'), little)
    await writeFile(join(cwd, 'big.txt'), Buffer.from(little).swap16())
    expect(await shown(cwd, [], { fromFile: 'little.txt' })).toEqual(['p/é 商.jpg'])
    expect(await shown(cwd, [], { fromFile: 'big.txt' })).toEqual(['p/é 商.jpg'])
  })

  it.each<[string, Buffer]>([
    ['UTF-16 without a mark', Buffer.from('shots/a.jpg\r\n', 'utf16le')],
    ['the same in the other order', Buffer.from('shots/a.jpg\r\n', 'utf16le').swap16()],
    ['UTF-16 of other scripts', Buffer.from('商品/图片.jpg\r\n'.repeat(20), 'utf16le')],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0])],
    ['Latin-1', Buffer.from('caf\xe9.jpg\nthé.jpg\n', 'latin1')],
    ['NULs between lines', Buffer.from(`${'a.jpg\n'.repeat(20_000)}b\0`)],
    ['a line longer than any path', Buffer.alloc(200_000, 'a')],
    ['a ZIP', Buffer.from('PK\x03\x04\x14\0\0\0')],
    ['a PDF', Buffer.from('%PDF-1.7\n')],
    ['an SVG', Buffer.from('<?xml version="1.0"?>\n<svg xmlns="x">\n</svg>\n')],
  ])('that is none is refused as a whole: %s', async (_, content) => {
    const cwd = await tree('p/a.jpg')
    const refused = expect.objectContaining({ code: 'USAGE', hint: expect.any(String) })
    await expect(collect(cwd, ['-'], { stdin: Readable.from([content]) })).rejects.toEqual(refused)
    await writeFile(join(cwd, 'list'), content)
    await expect(collect(cwd, ['p'], { fromFile: 'list' })).rejects.toEqual(refused)
  })

  it('that is a picture is refused, with what to type', async () => {
    const cwd = await tree()
    const photo = await readFile(
      join(root, 'samples/photos', (await readdir(join(root, 'samples/photos')))[0]!),
    )
    await expect(collect(cwd, ['-'], { stdin: Readable.from([photo]) })).rejects.toMatchObject({
      message: expect.stringMatching(
        /^What comes from standard input is a picture \(.+\), not a list of paths\.$/,
      ),
      hint: 'Save it as a file and name that file: rmbg process picture.jpg',
    })
    await writeFile(join(cwd, 'photo'), photo)
    await expect(collect(cwd, [], { fromFile: 'photo' })).rejects.toMatchObject({
      hint: 'To process it, name it without --from-file: rmbg process photo',
    })
  })

  it('of very many entries is read, in pieces that end anywhere, and names each once', async () => {
    const cwd = await tree()
    const entries = Array.from({ length: 130_000 }, (_, index) => `é${index}.jpg`)
    const bytes = Buffer.from([...entries, ...entries].join('\n'))
    const pieces = function* () {
      for (let from = 0; from < bytes.length; from += 9999) yield bytes.subarray(from, from + 9999)
    }
    const found = await shown(cwd, ['-'], { stdin: Readable.from(pieces()) })
    expect(found.length).toBe(entries.length)
    expect(found.join('\n') === entries.join('\n')).toBe(true)
  })

  it('of 300,000 entries takes no more of the heap than a short one', async () => {
    const cwd = await tree()
    const pieces = function* () {
      for (let from = 0; from < 300_000; from += 1000) {
        yield Buffer.from(Array.from({ length: 1000 }, (_, index) => `photos/${from + index}.jpg\n`).join(''))
      }
    }
    const before = usedHeap()
    const options = { patterns: ['-'], ignore: [], excludeFolders: [], takesJobs: false }
    const stdin = Readable.from(pieces())
    const candidates = await collectInputs({ ...options, stdin, cwd, onNotice: () => {} })
    expect(candidates.length).toBe(300_000)
    // The strings alone would be 18 MB, in a set twice that.
    expect(usedHeap() - before).toBeLessThan(6 * 2 ** 20)
    const [first] = candidates
    expect(first?.shown).toBe('photos/0.jpg')
  })
})

describe.skipIf(process.platform !== 'linux')('names that are not UTF-8', () => {
  const strange = (text: string) => Buffer.from(text, 'latin1')
  const withStrangeFiles = async () => {
    const cwd = await tree('p/a.jpg', 'p/caf%E8.jpg')
    for (const name of ['p/caf\xe9.jpg', 'p/caf\xe8.jpg', 'p/caf\xe9.dds'])
      await writeFile(Buffer.concat([Buffer.from(`${cwd}/`), strange(name)]), name)
    await mkdir(Buffer.concat([Buffer.from(`${cwd}/`), strange('d\xff')]))
    await writeFile(Buffer.concat([Buffer.from(`${cwd}/`), strange('d\xff/\x80.png')]), 'x')
    return cwd
  }

  it('are found in folders and by globs, and shown as in a URL', async () => {
    const cwd = await withStrangeFiles()
    expect(await shown(cwd, ['.'])).toEqual([
      'd%FF/%80.png',
      ...['p/a.jpg', 'p/caf%E8.jpg', 'p/caf%E8.jpg', 'p/caf%E9.jpg'],
    ])
    const found = await collect(cwd, ['p/c*.jpg'])
    expect(found.map((each) => each.shown)).toEqual(['p/caf%E8.jpg', 'p/caf%E8.jpg', 'p/caf%E9.jpg'])
    expect(found.map((each) => each.relative)).toEqual(['caf%E8.jpg', 'caf%E8.jpg', 'caf%E9.jpg'])
    const contents = await Promise.all(found.map(({ path }) => readFile(systemPath(path), 'utf8')))
    expect(contents).toEqual(['p/caf%E8.jpg', 'p/caf\xe8.jpg', 'p/caf\xe9.jpg'])
  })

  it('are taken as arguments and in lists, as bytes or as they are shown', async () => {
    const cwd = await withStrangeFiles()
    const one = ['p/caf%E9.jpg']
    expect(await shown(cwd, [pathOf(strange('p/caf\xe9.jpg'))])).toEqual(one)
    expect(await shown(cwd, one)).toEqual(one)
    expect(await shown(cwd, [pathOf(strange('d\xff'))])).toEqual(['d%FF/%80.png'])
    const list = (content: Buffer) => shown(cwd, ['-'], { stdin: Readable.from([content]) })
    expect(await list(strange('p/caf\xe9.jpg\np/gone\xe9.jpg\n'))).toEqual([...one, 'p/gone%E9.jpg'])
    expect(await list(strange('p/caf\xe9.jpg\0'))).toEqual(one)
    expect(await list(Buffer.from('p/caf%E9.jpg\n'))).toEqual(one)
  })
})

describe('what a search leaves out', () => {
  const notices = async (cwd: string, patterns: string[], options: Partial<InputOptions> = {}) => {
    const told: NoticeEvent[] = []
    const found = await shown(cwd, patterns, { ...options, onNotice: (notice) => told.push(notice) })
    return { found, told }
  }

  it('is told of once: folders of systems, by name', async () => {
    const cwd = await tree(
      ...['p/a.jpg', 'p/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg', 'p/s/@eaDir/b.jpg/THUMB.jpg', 'p/s/b.jpg'],
      ...[
        'p/#recycle/c.jpg',
        'p/.@__thumb/d.jpg',
        'p/__MACOSX/e.jpg',
        'p/lost+found/f.jpg',
        'p/$Recycle.Bin/g.jpg',
      ],
    )
    const folders = {
      '@eaDir': 2,
      ...{ '#recycle': 1, '.@__thumb': 1, __MACOSX: 1, 'lost+found': 1, '$Recycle.Bin': 1 },
    }
    for (const pattern of ['p', 'p/**/*.jpg']) {
      const { found, told } = await notices(cwd, [pattern, 'p/s', pattern])
      expect(found).toEqual(['p/a.jpg', 'p/s/b.jpg'])
      expect(told).toMatchObject([{ code: 'folders-left-out', folders }])
    }
    const { told } = await notices(cwd, ['p'])
    expect(told[0]?.message).toContain('@eaDir (2)')
  })

  it('is not what an input names', async () => {
    const cwd = await tree('p/#recycle/c.jpg', 'p/#recycle/s/d.jpg', 'p/a.jpg')
    const all = ['p/#recycle/c.jpg', 'p/#recycle/s/d.jpg']
    expect(await notices(cwd, ['p/#recycle'])).toEqual({ found: all, told: [] })
    expect(await notices(cwd, ['p/#recycle/**/*.jpg'])).toEqual({ found: all, told: [] })
    expect((await notices(cwd, ['**/#recycle/**/*.jpg'])).found).toEqual(all)
  })

  it('is told of once: pictures that cannot be read, by kind, and not where a glob chose', async () => {
    const files = 'a.dds b.jxr c.psd d.CR2 e.cr2 f.jp2 g.pdf h.pjpeg i.apng'.split(' ')
    const cwd = await tree(
      'p/x.jpg',
      'p/notes.txt',
      'p/.y.dds',
      'p/bag.pdf/',
      ...files.map((name) => `p/s/${name}`),
    )
    const { found, told } = await notices(cwd, ['p', 'p/x.jpg'])
    expect(found).toEqual(['p/x.jpg'])
    const kinds = { cr2: 2, ...{ dds: 1, jxr: 1, psd: 1, jp2: 1, pdf: 1, pjpeg: 1, apng: 1 } }
    expect(told).toMatchObject([{ code: 'kinds-left-out', files: 9, kinds }])
    expect(told[0]?.message).toBe(
      '9 pictures of kinds that are not read from folders were left out: cr2 (2), apng (1), dds (1), jp2 (1), jxr (1), pdf (1), pjpeg (1), psd (1).',
    )
    expect((await notices(cwd, ['p'], { ignore: ['*.{dds,jxr}', '*.psd'] })).told).toMatchObject([
      { files: 6 },
    ])
    expect((await notices(cwd, ['p/*.jpg'])).told).toEqual([])
  })

  it('is told of where nothing else is there', async () => {
    const cwd = await tree('p/a.dds')
    const told: NoticeEvent[] = []
    await expect(collect(cwd, ['p'], { onNotice: (notice) => told.push(notice) })).rejects.toMatchObject({
      code: 'NO_MATCH',
    })
    expect(told).toMatchObject([{ code: 'kinds-left-out', files: 1 }])
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
    expect(await below('shop/{a,b}/*.jpg')).toEqual(['a/x.jpg', 'b/x.jpg'])
    expect(await below('{shop/a,shop/b}/x.jpg')).toEqual(['a/x.jpg', 'b/x.jpg'])
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

  it('that is the output folder is searched where cut-outs have names of their own, without those', async () => {
    const cwd = await tree('p/a.jpg', 'p/a-c.png', 'p/b-c.png', 'p/s/b.jpg', 'p/s/b-c.png', 'p/s/b.jpg-c.png')
    const options = { outputFolders: [join(cwd, 'p')] }
    await expect(collect(cwd, ['p'], options)).rejects.toMatchObject({ code: 'USAGE' })
    expect(await shown(cwd, ['p'], { ...options, cutoutEnding: '-c.png' })).toEqual([
      'p/a.jpg',
      'p/b-c.png',
      'p/s/b.jpg',
    ])
    // Beside the inputs, no folder is an output folder.
    expect(await shown(cwd, ['p/*'], { cutoutEnding: '-c.png' })).toEqual(['p/a.jpg', 'p/b-c.png'])
    // Masks have no names of their own.
    const masks = { ...options, cutoutEnding: '-c.png', maskFolders: [join(cwd, 'p')] }
    await expect(collect(cwd, ['p'], masks)).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('that files are named in is their output folder too, unless there are others', async () => {
    const cwd = await tree('p/a.jpg', 'q/b.jpg')
    const options = { outputFolders: [join(cwd, 'p')] }
    expect(await shown(cwd, ['p/a.jpg'], options)).toEqual(['p/a.jpg'])
    expect(await shown(cwd, ['p/a.jpg', 'q/b.jpg'], options)).toEqual(['q/b.jpg'])
    expect(await shown(cwd, ['p/a.jpg', 'p'], { ...options, cutoutEnding: '-c.png' })).toEqual(['p/a.jpg'])
  })

  it('are refused when one of them matches nothing, and every such one is named', async () => {
    const cwd = await tree('p/a.jpg', 'empty/')
    await expect(collect(cwd, ['p', 'empty', 'none/*.jpg'])).rejects.toThrow(
      'No image matches empty, none/*.jpg.',
    )
    await expect(collect(cwd, [])).rejects.toMatchObject({ code: 'USAGE' })
  })
})
