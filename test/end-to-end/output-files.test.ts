/** `--output` beside other people's files: a cut-out of ours may be replaced, everything else stays. */
import {
  appendFile,
  cp,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { beforeEach, describe, expect, it } from 'vitest'
import { jsonLines } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

let workspace: Workspace
let folder: string
beforeEach(async () => {
  workspace = await freshWorkspace()
  folder = await realpath(workspace.folder)
})
const at = (path: string) => join(folder, path)
const process = (...args: string[]) => workspace.run('process', ...args)
/** Events of images by their inputs, and the summary. */
async function events(...args: string[]) {
  const { status, stdout, stderr } = await process(...args, '--json')
  expect(status, stderr).toBe(0)
  const all = jsonLines(stdout)
  const images = all.filter(({ type }) => type === 'image')
  return {
    images: Object.fromEntries(images.map((event) => [event.input, event])),
    all,
    summary: all.at(-1)!,
  }
}

/** As a person does it in an editor: opened, painted, saved. */
async function retouch(path: string): Promise<Buffer> {
  const painted = await sharp(await readFile(path))
    .composite([{ input: await picture(9).resize(20, 20).png().toBuffer(), left: 3, top: 3 }])
    .png()
    .toBuffer()
  await writeFile(path, painted)
  return painted
}

async function changeOneByte(path: string): Promise<Buffer> {
  const bytes = await readFile(path)
  bytes[bytes.length - 20]! ^= 1
  await writeFile(path, bytes)
  return bytes
}

const summer = 'cutouts/summer/cup.png'
const input = 'photos/summer/cup.webp'
const keptLine = () => `kept       ${at(summer)}: not a cut-out of ours (--overwrite replaces it)`

describe('a cut-out that a person changed', () => {
  it.each([
    ['retouched', retouch],
    ['changed without a change of size', changeOneByte],
  ])('(%s) stays whatever is run, and is told of each time', async (_, change) => {
    await process('photos', '-o', 'cutouts')
    const cutout = await readFile(at(summer))
    const theirs = await change(at(summer))
    for (const flags of [[], ['--force'], ['--from-mask', '--size', '300x300']]) {
      const { status, stdout, stderr } = await process('photos', '-o', 'cutouts', ...flags)
      expect(status, stderr).toBe(0)
      expect(stdout, flags.join()).toContain(keptLine())
      expect(stdout).toContain('Kept as they are: 1 file in the output folder.')
      expect((await readFile(at(summer))).equals(theirs), flags.join()).toBe(true)
    }
    const { images, summary } = await events('photos', '-o', 'cutouts')
    expect(images[input]).toMatchObject({
      status: 'skipped',
      output: { path: at(summer), state: 'kept', reason: 'foreign' },
    })
    expect(summary).toMatchObject({ skipped: 3, failed: 0, kept: 1 })
    await process('photos', '-o', 'cutouts', '--overwrite')
    expect(await readFile(at(summer))).toEqual(cutout)
    expect((await events('photos', '-o', 'cutouts')).images[input].output.state).toBe('unchanged')
  })

  it('stays too when it was renamed aside and the name is wanted again', async () => {
    await process('photos', '-o', 'cutouts')
    await rename(at(summer), at('cutouts/summer/final.png'))
    const theirs = await retouch(at('cutouts/summer/final.png'))
    const { images } = await events('photos', '-o', 'cutouts')
    expect(images[input].output).toEqual({ path: at(summer), state: 'restored' })
    expect(await readFile(at('cutouts/summer/final.png'))).toEqual(theirs)
  })
})

it('a cut-out of other options is ours, and gives way to the one that is asked for', async () => {
  await process('photos', '-o', 'cutouts')
  const first = await readFile(at(summer))
  const padded = await events('photos', '-o', 'cutouts', '--size', '300x300')
  expect(padded.images[input].output).toEqual({ path: at(summer), state: 'written' })
  expect(await sharp(at(summer)).metadata()).toMatchObject({ width: 300, height: 300 })
  const back = await process('photos', '-o', 'cutouts')
  expect(back.stdout).toContain(`-> ${at(summer)}  done before, restored from the store`)
  expect(await readFile(at(summer))).toEqual(first)
})

it('files that were there before stay, and their images are completed all the same', async () => {
  await mkdir(at('cutouts/summer'), { recursive: true })
  await writeFile(at(summer), 'shopping list')
  const { status, stdout } = await process('photos', '-o', 'cutouts')
  expect(status).toBe(0)
  expect(stdout).toContain('3 completed')
  expect(stdout).toContain(keptLine())
  expect(stdout).toMatch(/completed {2}photos\/summer\/cup\.webp -> processed\//)
  expect(await readFile(at(summer), 'utf8')).toBe('shopping list')
  expect(await readdir(at('cutouts/summer'))).toEqual(['cup.png'])
  await workspace.rows()
})

describe('links', () => {
  it('onto inputs are never written through, and an input is never an output', async () => {
    await cp(at('photos/cup.png'), at('photos/summer/cup.png'))
    await rm(at('photos/summer/cup.webp'))
    await picture(3).webp().toFile(at('photos/summer/other.webp'))
    const photo = await readFile(at('photos/summer/cup.png'))
    await mkdir(at('cutouts'))
    await symlink('../photos/summer', at('cutouts/summer'))
    await symlink('../photos/cup.jpg', at('cutouts/cup.jpg.png'))
    await link(at('photos/cup.png'), at('cutouts/cup.png.png'))
    const jpeg = await readFile(at('photos/cup.jpg'))
    for (const flags of [[], ['--overwrite'], ['--force', '--overwrite']]) {
      const { images } = await events('photos', '-o', 'cutouts', ...flags)
      const reason = flags.length === 0 ? 'foreign' : 'input'
      for (const name of ['photos/cup.jpg', 'photos/cup.png', 'photos/summer/cup.png']) {
        expect(images[name].output, name).toMatchObject({ state: 'kept', reason })
      }
      expect(await readFile(at('photos/summer/cup.png'))).toEqual(photo)
      expect(await readFile(at('photos/cup.png'))).toEqual(photo)
      expect(await readFile(at('photos/cup.jpg'))).toEqual(jpeg)
      expect(await readlink(at('cutouts/cup.jpg.png'))).toBe('../photos/cup.jpg')
      // Below a linked folder a free name is as good as anywhere.
      expect(await readFile(at('photos/summer/other.png'))).not.toHaveLength(0)
      await rm(at('photos/summer/other.png'))
    }
  })

  it('to the output folder lead there, and what is in it is no input', async () => {
    await mkdir(at('results'))
    await symlink('results', at('cutouts'))
    await process('.', '-o', 'cutouts')
    const theirs = await retouch(at('results/photos/summer/cup.png'))
    const { images, summary } = await events('.', '-o', 'cutouts')
    expect(Object.keys(images).sort()).toEqual(['photos/cup.jpg', 'photos/cup.png', input])
    expect(summary).toMatchObject({ images: 3, skipped: 3, kept: 1, ownCutouts: 0 })
    expect(await readFile(at('results/photos/summer/cup.png'))).toEqual(theirs)
  })
})

describe('--dry-run', () => {
  it('tells what would be written, kept and restored, and touches nothing', async () => {
    await process('photos/cup.jpg', 'photos/cup.png', '-o', 'cutouts')
    await rm(at('cutouts/cup.jpg.png'))
    const theirs = await retouch(at('cutouts/cup.png.png'))
    await picture(5).jpeg().toFile(at('photos/new.jpg'))
    await picture(6).jpeg().toFile(at('photos/taken.jpg'))
    await writeFile(at('cutouts/taken.png'), 'mine')
    const plan = ['photos/cup.jpg', 'photos/cup.png', 'photos/new.jpg', 'photos/taken.jpg']
    const text = await process(...plan, '-o', 'cutouts', '--dry-run')
    expect(text.stdout.split('\n').slice(0, 6)).toEqual([
      expect.stringContaining(
        `skipped    photos/cup.jpg -> ${at('cutouts/cup.jpg.png')}  done before, would be restored from the store`,
      ),
      expect.stringMatching(/^skipped {4}photos\/cup\.png {2}done before/),
      `would keep ${at('cutouts/cup.png.png')}: not a cut-out of ours (--overwrite replaces it)`,
      expect.stringContaining(`would do   photos/new.jpg -> ${at('cutouts/new.png')}`),
      expect.stringMatching(/^would do {3}photos\/taken\.jpg {2}\d+ bytes$/),
      `would keep ${at('cutouts/taken.png')}: not a cut-out of ours (--overwrite replaces it)`,
    ])
    const states = async (...flags: string[]) => {
      const { images } = await events(...plan, '-o', 'cutouts', '--dry-run', ...flags)
      return plan.map((name) => images[name].output.state)
    }
    expect(await states()).toEqual(['restored', 'kept', 'written', 'kept'])
    expect(await states('--overwrite')).toEqual(['restored', 'restored', 'written', 'written'])
    expect((await readdir(at('cutouts'))).sort()).toEqual(['cup.png.png', 'taken.png'])
    expect(await readFile(at('cutouts/cup.png.png'))).toEqual(theirs)
    expect(await readFile(at('cutouts/taken.png'), 'utf8')).toBe('mine')
  })
})

describe('a cut-out of ours as an input', () => {
  it('is left out, wherever it lies and whatever it is called, and said once', async () => {
    await process('photos', '-o', 'first')
    await cp(at('first/summer/cup.png'), at('photos/looks-new.png'))
    const { status, stdout, stderr } = await process('.', '-o', 'second', '--tag', 'again')
    expect(status, stderr).toBe(0)
    expect(stdout).toContain('0 completed, 7 skipped, 0 failed of 7')
    expect(stdout).toMatch(/skipped {4}first\/summer\/cup\.png {2}a cut-out made by rmbg\n/)
    expect(stderr.match(/4 of the inputs are cut-outs or masks made by rmbg/g)).toHaveLength(1)
    expect(
      (await readdir(at('second'), { recursive: true })).filter((name) => name.endsWith('.png')),
    ).toHaveLength(3)
    expect(await workspace.rows()).toHaveLength(3)
  })

  it('is named with its job in JSON, and counted; --force and other options change nothing', async () => {
    await process('photos', '-o', 'first')
    const rows = await workspace.rows()
    const { images, all, summary } = await events('first', '-o', 'second', '--force', '--size', '300x300')
    const row = rows.find(({ source_path }) => source_path.endsWith('cup.webp'))!
    expect(images['first/summer/cup.png']).toMatchObject({
      ...{ status: 'skipped', reason: 'own-cutout', jobId: row.job_id, review: null },
      processedPath: row.processed_path,
    })
    expect(images['first/summer/cup.png']).not.toHaveProperty('output')
    expect(all).toContainEqual(expect.objectContaining({ type: 'notice', code: 'own-cutouts', images: 3 }))
    expect(summary).toMatchObject({ skipped: 3, ownCutouts: 3, needReview: 0 })
    await expect(stat(at('second'))).rejects.toThrow('ENOENT')
  })

  it('is a picture like any other once somebody changed it', async () => {
    await process('photos', '-o', 'first')
    await retouch(at('first/summer/cup.png'))
    const { summary } = await events('first', '-o', 'second')
    expect(summary).toMatchObject({ completed: 1, ownCutouts: 2 })
  })
})

describe('a report', () => {
  it('replaces an earlier report, and no other file unless it is told to', async () => {
    const stats = (...args: string[]) => workspace.run('stats', '--html', 'report.html', ...args)
    expect((await stats()).status).toBe(0)
    expect((await stats('--since', '2d')).status).toBe(0)
    await appendFile(at('report.html'), '<p>my notes</p>')
    const refused = await stats()
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('--overwrite')
    expect(await readFile(at('report.html'), 'utf8')).toContain('my notes')
    expect((await stats('--overwrite')).status).toBe(0)
    expect(await readFile(at('report.html'), 'utf8')).not.toContain('my notes')
  })
})
