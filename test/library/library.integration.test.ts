/** The program as a library, as the package gives it: built, imported by its name, without a command line. */
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { execa } from 'execa'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BatchEvent, Rmbg } from '../../src/library/index.ts'
import { cleanEnvironment, root } from '../support/cli.ts'
import { picture } from '../support/images.ts'

const { openRmbg, RmbgError } = (await import(
  join(root, 'dist/library/index.js')
)) as typeof import('../../src/library/index.ts')

let home: string
let rmbg: Rmbg
const heard: string[] = []
const photo = () => join(home, 'cup.jpg')

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rmbg-library-'))
  await picture(1).toFile(photo())
  rmbg = await openRmbg({ model: 'silhouette', home, onNotice: (message) => heard.push(message) })
})
afterAll(async () => {
  await rmbg.close()
  await rm(home, { recursive: true })
})

describe('removeBackground', () => {
  it('gives the files of cut-out and mask, and what is doubtful about them', async () => {
    const made = await rmbg.removeBackground(photo())
    expect(made).toMatchObject({ contentType: 'image/png', width: 160, height: 120, model: 'silhouette' })
    expect(await sharp(made.cutout).metadata()).toMatchObject({ format: 'png', channels: 4 })
    expect(await sharp(made.mask).metadata()).toMatchObject({ width: 160, height: 120, channels: 1 })
    expect(made.review.reasons).toEqual(expect.any(Array))
  })

  it('takes bytes, streams, blobs and URLs of files, all with the same result', async () => {
    const bytes = await readFile(photo())
    const given = [bytes, new Blob([bytes]), createReadStream(photo()), pathToFileURL(photo())]
    const made = await Promise.all(given.map((each) => rmbg.removeBackground(each)))
    const { cutout } = await rmbg.removeBackground(photo())
    for (const each of made) expect(Buffer.from(each.cutout).equals(cutout)).toBe(true)
  })

  it('makes cut-outs by the options of the call', async () => {
    const made = await rmbg.removeBackground(photo(), { format: 'jpeg', background: 'white', size: '50x40' })
    expect(made).toMatchObject({ contentType: 'image/jpeg', width: 50, height: 40 })
  })

  it.each([
    ['a file that is not there', 'nowhere.jpg', 'INPUT_NOT_FOUND'],
    ['bytes that are no picture', Buffer.from('no picture'), 'INPUT_UNSUPPORTED'],
    ['no bytes', Buffer.alloc(0), 'INPUT_EMPTY'],
    ['an address of the web', new URL('https://example.com/a.jpg'), 'USAGE'],
  ])('refuses %s', async (_, given, code) => {
    await expect(rmbg.removeBackground(given)).rejects.toMatchObject({ name: 'RmbgError', code })
  })

  it('refuses options that are not usable', async () => {
    const refused = rmbg.removeBackground(photo(), { size: 'large' })
    await expect(refused).rejects.toBeInstanceOf(RmbgError)
  })

  it('ends by a signal, before and while it works', async () => {
    await expect(rmbg.removeBackground(photo(), { signal: AbortSignal.abort('no') })).rejects.toBe('no')
    const stop = new AbortController()
    const refused = expect(rmbg.removeBackground(photo(), { signal: stop.signal })).rejects.toBe('enough')
    stop.abort('enough')
    await refused
  })
})

describe('process', () => {
  it('stores, logs and tells what the command would', async () => {
    const events: BatchEvent[] = []
    const output = join(home, 'cutouts')
    const summary = await rmbg.process(photo(), {
      output,
      tags: ['spring'],
      onEvent: (event) => events.push(event),
    })
    expect(summary).toMatchObject({ type: 'summary', completed: 1, failed: 0 })
    expect(await readdir(output)).toEqual(['cup.png'])
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['start', 'image', 'summary']))
    expect(await readdir(join(home, 'store'))).toEqual(
      expect.arrayContaining(['original', 'mask', 'processed']),
    )
    expect(await rmbg.process(photo(), { output })).toMatchObject({ completed: 0, skipped: 1 })
  })

  it('names what fails and goes on', async () => {
    await writeFile(join(home, 'broken.jpg'), 'no picture')
    const summary = await rmbg.process([photo(), join(home, 'broken.jpg')])
    expect(summary).toMatchObject({ skipped: 1, failed: 1, failures: [{ code: 'INPUT_UNSUPPORTED' }] })
  })

  it('refuses inputs that match nothing', async () => {
    await expect(rmbg.process(join(home, '*.webp'))).rejects.toMatchObject({ code: 'NO_MATCH' })
  })
})

it('opens several at once, each closed by itself', async () => {
  const other = await openRmbg({ model: 'silhouette', home })
  const [made] = await Promise.all([rmbg.removeBackground(photo()), other.close()])
  expect(made.width).toBe(160)
  expect((await rmbg.removeBackground(photo())).width).toBe(160)
  await expect(other.removeBackground(photo())).rejects.toThrow('This rmbg is closed.')
})

it('says which model it has not', async () => {
  await expect(openRmbg({ model: 'nothing-of-the-kind', home })).rejects.toMatchObject({
    code: 'MODEL_MISSING',
  })
})

it('works as docs/library.md shows it', async () => {
  const folder = join(home, 'reader')
  await mkdir(join(folder, 'node_modules'), { recursive: true })
  await mkdir(join(folder, 'photos'))
  await symlink(root, join(folder, 'node_modules/rmbg-batch'))
  for (const path of ['photo.jpg', 'photos/cup.jpg']) await picture(1).toFile(join(folder, path))
  const page = await readFile(join(root, 'docs/library.md'), 'utf8')
  const examples = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code as string)
  expect(examples).toHaveLength(2)
  const printed = await Promise.all(
    examples.map(async (code, n) => {
      const file = join(folder, `example-${n}.mjs`)
      await writeFile(file, code)
      const env = { ...cleanEnvironment(), RMBG_HOME: join(home, `home-${n}`), RMBG_MODEL: 'silhouette' }
      return (await execa(process.execPath, [file], { cwd: folder, env, extendEnv: false })).stdout
    }),
  )
  expect(printed[1]).toBe(`completed photos/cup.jpg\n1 done, 0 failed`)
  expect(await sharp(join(folder, 'cutout.webp')).metadata()).toMatchObject({ format: 'webp' })
  expect(await readdir(join(folder, 'cutouts'))).toEqual(['cup.png'])
})
