/** One file in and one out, pictures through pipes, cut-outs beside their inputs, and masks. */
import { cp, mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import sharp from 'sharp'
import { beforeEach, describe, expect, it } from 'vitest'
import { cleanEnvironment, jsonLines, program } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

let workspace: Workspace
let folder: string
beforeEach(async () => {
  workspace = await freshWorkspace()
  folder = await realpath(workspace.folder)
})
const at = (path: string) => join(folder, path)
const process_ = (...args: string[]) => workspace.run('process', ...args)
const imagesOf = (stdout: string) => jsonLines(stdout).filter(({ type }) => type === 'image')
const formatOf = async (path: string) => (await sharp(await readFile(path)).metadata()).format

describe('one file', () => {
  it('comes out of one file, in the format that its name says, and is made and kept as in a folder', async () => {
    const first = await process_('photos/cup.jpg', '-o', 'out/cutout.webp', '--json')
    expect(first.status, first.stderr).toBe(0)
    expect(imagesOf(first.stdout)).toMatchObject([
      { status: 'completed', output: { path: at('out/cutout.webp'), state: 'written' } },
    ])
    expect(await formatOf(at('out/cutout.webp'))).toBe('webp')

    await rm(at('out/cutout.webp'))
    const again = await process_('photos/cup.jpg', '-o', 'out/cutout.webp', '--json')
    expect(imagesOf(again.stdout)).toMatchObject([{ reason: 'unchanged', output: { state: 'restored' } }])

    await writeFile(at('out/cutout.webp'), 'theirs')
    const kept = await process_('photos/cup.jpg', '-o', 'out/cutout.webp')
    expect(kept.stdout).toContain(`kept       ${at('out/cutout.webp')}: not a cut-out of ours`)
    expect(await readFile(at('out/cutout.webp'), 'utf8')).toBe('theirs')
  })

  it('is refused for several inputs, and for an input; a folder of that name is a folder', async () => {
    const several = await process_('photos', '-o', 'x.png')
    expect(several.status).toBe(2)
    expect(several.stderr).toContain(`--output ${at('x.png')} is one file, and there are 3 inputs.`)
    expect(several.stderr).toContain(`--output ${at('x')}/`)
    expect((await process_('photos/cup.png', '-o', 'photos/cup.png')).stderr).toContain('is the input itself')
    await symlink('photos/cup.png', at('link.png'))
    const linked = await process_('photos/cup.png', '-o', 'link.png', '--overwrite')
    expect(linked.stdout).toContain('one of the inputs, which are never replaced')
    await mkdir(at('x.png'))
    expect((await process_('photos/cup.jpg', '-o', 'x.png')).status).toBe(0)
    expect(await readdir(at('x.png'))).toEqual(['cup.png'])
  })
})

/** `cat INPUT | rmbg ARGS`, with standard output as bytes. */
const piped = (input: Buffer, ...args: string[]) =>
  execa(process.execPath, [program, ...args], {
    ...{ cwd: folder, input, encoding: 'buffer', reject: false, extendEnv: false },
    env: { ...cleanEnvironment(), RMBG_HOME: workspace.home, NO_COLOR: '1' },
  })

describe('a pipe', () => {
  it('takes a picture and gives its cut-out, alone on standard output, also when it is done before', async () => {
    const photo = await readFile(at('photos/cup.jpg'))
    const first = await piped(photo, 'process', '-', '-o', '-')
    expect(first.exitCode, String(first.stderr)).toBe(0)
    expect((await sharp(Buffer.from(first.stdout)).metadata()).format).toBe('png')
    expect(Buffer.from(first.stderr).toString()).toContain('completed  stdin')
    const again = await piped(photo, 'process', '-', '-o', '-', '--quiet')
    expect(Buffer.from(again.stdout).equals(Buffer.from(first.stdout))).toBe(true)
    expect(Buffer.from(again.stderr).toString()).toMatch(/^NOTICE: .*\n?$/)
    expect(await workspace.rows()).toMatchObject([{ source_path: 'stdin', status: 'completed' }])

    // Its own cut-out is no input: who waits for a picture is told.
    const own = await piped(Buffer.from(first.stdout), 'process', '-', '-o', '-')
    expect(own.exitCode).toBe(3)
    expect(own.stdout.length).toBe(0)
    expect(Buffer.from(own.stderr).toString()).toContain('a cut-out made by rmbg')
  })

  it('leads into a folder under the name that is given', async () => {
    const photo = await readFile(at('photos/cup.jpg'))
    await piped(photo, 'process', '-', '--stdin-name', 'shots/mug.jpg', '-o', 'out', '--masks', 'masks')
    expect(await readdir(at('out'))).toEqual(['mug.png'])
    expect(await readdir(at('masks'))).toEqual(['mug.png'])
    expect(await workspace.rows()).toMatchObject([{ source_path: 'shots/mug.jpg' }])
  })

  it('fails a damaged picture with one sentence and no bytes', async () => {
    const photo = (await readFile(at('photos/cup.jpg'))).subarray(0, 300)
    const { exitCode, stdout, stderr } = await piped(photo, 'process', '-', '-o', '-')
    expect(exitCode).toBe(3)
    expect(stdout.length).toBe(0)
    expect(Buffer.from(stderr).toString()).toMatch(/failed {5}stdin .*\[INPUT_CORRUPT\]/)
    expect(await workspace.rows()).toMatchObject([{ source_path: 'stdin', status: 'failed' }])
  })
})

describe('--suffix and --masks', () => {
  it('put cut-outs beside the inputs and masks into a tree like theirs; a second run has nothing to do', async () => {
    const run = () => process_('photos', '--suffix', '-cutout', '--masks', 'masks', '--json')
    const first = await run()
    expect(first.status, first.stderr).toBe(0)
    expect((await readdir(at('photos'))).sort()).toEqual([
      ...['cup.jpg', 'cup.jpg-cutout.png', 'cup.png', 'cup.png-cutout.png', 'summer'],
    ])
    expect(await readdir(at('photos/summer'))).toEqual(['cup-cutout.png', 'cup.webp'])
    expect((await readdir(at('masks'))).sort()).toEqual(['cup.jpg.png', 'cup.png.png', 'summer'])
    const [row] = (await workspace.rows()).filter(({ source_path }) => /webp$/.test(source_path!))
    const stored = await readFile(join(workspace.home, 'store', row!.mask_path!))
    expect((await readFile(at('masks/summer/cup.png'))).equals(stored)).toBe(true)

    await rm(at('masks/summer/cup.png'))
    await writeFile(at('masks/cup.jpg.png'), 'painted by hand')
    const second = await run()
    const images = imagesOf(second.stdout)
    expect(images.map(({ reason }) => reason)).toEqual(['unchanged', 'unchanged', 'unchanged'])
    expect(images.map(({ maskOutput }) => maskOutput.state)).toEqual(['kept', 'unchanged', 'restored'])
    expect(jsonLines(second.stdout).at(-1)).toMatchObject({ images: 3, kept: 1 })
    expect(await readFile(at('masks/cup.jpg.png'), 'utf8')).toBe('painted by hand')
  })

  it('make no inputs: a cut-out and a mask are known by their content', async () => {
    await process_('photos/summer', '--suffix', '-cutout', '--masks', 'masks')
    await mkdir(at('later'))
    await cp(at('photos/summer/cup-cutout.png'), at('later/a.png'))
    await cp(at('masks/cup.png'), at('later/b.png'))
    await picture(5).jpeg().toFile(at('later/new.jpg'))
    const { stdout } = await process_('later', '--json', '--output', 'later', '--suffix', '_x')
    expect(
      imagesOf(stdout)
        .map(({ input, reason = '' }) => `${input} ${reason}`)
        .sort(),
    ).toEqual([...['later/a.png own-cutout', 'later/b.png own-mask', 'later/new.jpg ']])
    expect(jsonLines(stdout).at(-1)).toMatchObject({ ownCutouts: 2 })
    expect((await readdir(at('later'))).sort()).toEqual(['a.png', 'b.png', 'new.jpg', 'new_x.png'])
  })
})
