/** Cut-outs to order, from the command line. */
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { finishedAfter, jsonLines, rmbg, start, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

const images = (stdout: string) => jsonLines(stdout).filter(({ type }) => type === 'image')

describe('rmbg process', () => {
  it('makes what is asked for, keeps mask and original as they are, and records how', async () => {
    const { run, rows, home, folder } = await freshWorkspace()
    const { status, stderr } = await run(
      ...['process', 'photos/cup.png', '--output', 'out', '--format', 'webp', '--quality', '80'],
      ...['--trim', '--padding', '10%', '--size', '200x150', '--background', 'white'],
    )
    expect(status, stderr).toBe(0)
    const file = join(folder, 'out/cup.webp')
    expect(await sharp(file).metadata()).toMatchObject({
      format: 'webp',
      width: 200,
      height: 150,
      hasAlpha: false,
    })
    const [row] = await rows()
    expect(row!.processed_path).toMatch(/\.webp$/)
    expect(await readFile(join(home, 'store', row!.processed_path!))).toEqual(await readFile(file))
    expect(await sharp(join(home, 'store', row!.mask_path!)).metadata()).toMatchObject({
      width: 160,
      height: 120,
    })
    expect(row!.params).toMatchObject({
      format: 'webp',
      quality: 80,
      trim: true,
      padding: { share: 0.1 },
      size: { width: 200, height: 150 },
      fit: 'contain',
      background: '#ffffff',
      refine: true,
    })
    expect(row!.review).toMatchObject({ islands: 1, reasons: [] })
    expect(row!.needs_review).toBe(false)
  })

  it('says in a sentence which settings contradict each other, before anything is done', async () => {
    const { run } = await freshWorkspace()
    const sentences: [string[], RegExp][] = [
      [['--quality', '80'], /--quality has no meaning for PNG/],
      [['--fit', 'cover'], /--fit needs a --size/],
      [['--size', '100x100', '--padding', '50px'], /leaves no room/],
      [['--size', 'big'], /--size expects WxH/],
      [['--padding', '60%'], /share below 50%/],
      [['--background', 'nothing.jpg'], /neither a color nor a file/],
      [['--preset', 'nowhere'], /no preset "nowhere"/],
      [['--fail-on-review', '5'], /--fail-on-review expects a share such as 5%/],
      [['--from-mask', '--model', 'backdrop'], /cannot also be provided/],
    ]
    for (const [flags, expected] of sentences) {
      const { status, stderr } = await run('process', 'photos', ...flags)
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringMatching(expected) })
    }
  })

  it('falls back to the built-in model only with a notice, and never when RMBG-2.0 is named', async () => {
    const { run } = await freshWorkspace()
    const auto = await run('process', 'photos', '--quiet')
    expect(auto).toMatchObject({ status: 0, stderr: expect.stringContaining('rmbg setup') })
    const named = await run('process', 'photos', '--model', 'rmbg-2.0')
    expect(named).toMatchObject({ status: 6, stderr: expect.stringContaining('rmbg model pull rmbg-2.0') })
  })

  it('refuses a device that is not there and names what is missing', async () => {
    const { run } = await freshWorkspace()
    for (const device of ['cuda', 'directml', 'coreml'].filter(
      (name) => !(process.platform === 'darwin' && name === 'coreml'),
    )) {
      const { status, stderr } = await run('process', 'photos', '--device', device)
      expect({ status, stderr }).toMatchObject({
        status: 6,
        stderr: expect.stringMatching(
          /The device \w+ (cannot be used: .*onnxruntime_providers_cuda\S+ is missing|does not exist on)/,
        ),
      })
    }
    const { stderr } = await run('process', 'photos', '--device', 'cpu')
    expect(stderr).toContain('model silhouette runs on cpu')
  })
})

describe('a background picture', () => {
  it('is read once: replaced during the run, all cut-outs have the first one, as their rows say', async () => {
    const { folder, home, rows } = await freshWorkspace()
    const background = join(folder, 'ground.png')
    const ground = (color: string) =>
      sharp({ create: { width: 20, height: 20, channels: 3, background: color } })
        .png()
        .toBuffer()
    await writeFile(background, await ground('#f00'))
    for (let index = 10; index < 20; index++) {
      await picture(index)
        .png()
        .toFile(join(folder, `photos/${index}.png`))
    }
    const flags = ['--background', 'ground.png', '--output', 'out', '--concurrency', '1', '--json']
    const run = start(['process', 'photos', ...flags], { cwd: folder, env: { RMBG_HOME: home } })
    const blue = await ground('#00f')
    const { status, stderr } = await finishedAfter(run, 1, () => writeFile(background, blue))
    expect(status, stderr).toBe(0)
    const digests = (await rows()).map(({ params }) => (params.background as { sha256: string }).sha256)
    expect(new Set(digests).size).toBe(1)
    const files = (await readdir(join(folder, 'out'), { recursive: true })).filter((name) =>
      /png$/.test(name),
    )
    expect(files).toHaveLength(13)
    for (const name of files) {
      const corner = { left: 0, top: 0, width: 1, height: 1 }
      const pixel = await sharp(join(folder, 'out', name))
        .extract(corner)
        .raw()
        .toBuffer()
      expect([...pixel], name).toEqual([255, 0, 0])
    }
  })
})

describe('rmbg process --from-mask', () => {
  it('makes new cut-outs without inference, from files or from ids of jobs, and each only once', async () => {
    const { run, rows, folder } = await freshWorkspace()
    const first = images((await run('process', 'photos', '--json')).stdout)
    const again = await run(
      'process',
      'photos',
      '--from-mask',
      '--format',
      'jpeg',
      '--output',
      'jpegs',
      '--json',
    )
    expect(again.status, again.stderr).toBe(0)
    const derived = images(again.stdout)
    expect(derived.map(({ status, provider }) => [status, provider])).toEqual(
      Array(3).fill(['completed', 'none']),
    )
    expect(
      (await readdir(join(folder, 'jpegs'), { recursive: true })).filter((name) => name.endsWith('.jpg')),
    ).toHaveLength(3)

    // The same cut-out as inference would have made, so that is skipped.
    const direct = images((await run('process', 'photos', '--format', 'jpeg', '--json')).stdout)
    expect(direct.map(({ status }) => status)).toEqual(Array(3).fill('skipped'))

    const [one] = first
    const byId = await run(
      'process',
      '--from-mask',
      one!.jobId,
      '--size',
      '64x',
      '--output',
      'small',
      '--json',
    )
    expect(images(byId.stdout)).toMatchObject([{ status: 'completed', provider: 'none' }])
    expect(await sharp(join(folder, 'small', `${one!.jobId}.png`)).metadata()).toMatchObject({
      width: 64,
      height: 48,
    })
    expect(await rows()).toHaveLength(7)
  })

  it('gives byte for byte what inference gives', async () => {
    const { run, folder } = await freshWorkspace()
    await run('process', 'photos/cup.png', '--output', 'direct')
    await run('process', 'photos/cup.png', '--format', 'webp')
    await run('process', 'photos/cup.png', '--from-mask', '--output', 'derived', '--force')
    expect(await readFile(join(folder, 'derived/cup.png'))).toEqual(
      await readFile(join(folder, 'direct/cup.png')),
    )
  })

  it('fails what has no mask with a sentence', async () => {
    const { run } = await freshWorkspace()
    const { status, stdout } = await run(
      'process',
      'photos',
      '--from-mask',
      '01890a5d-ac96-774b-bcce-b302099a8057',
      '--json',
    )
    expect(status).toBe(3)
    expect(images(stdout)).toMatchObject(Array(4).fill({ status: 'failed', code: 'MASK_MISSING' }))
  })
})

describe('masks that are gone or damaged', () => {
  it('fail their images, however many in a row, and never the run', async () => {
    const { run, folder, home } = await freshWorkspace()
    await picture(9).png().toFile(join(folder, 'photos/late.png'))
    const made = images((await run('process', 'photos', '--json')).stdout)
    const masks = made.map(({ maskPath }) => join(home, 'store', maskPath))
    await rm(masks[0]!)
    await rm(masks[1]!)
    for (const mask of masks.slice(2)) await truncate(mask, 10)
    const flags = ['--from-mask', '--format', 'webp', '--concurrency', '1', '--json']
    const { status, stdout, stderr } = await run('process', 'photos', ...flags)
    expect(status, stderr).toBe(3)
    expect(
      images(stdout)
        .map(({ code }) => code)
        .sort(),
    ).toEqual([...Array(2).fill('STORE_OBJECT_DAMAGED'), ...Array(2).fill('STORE_OBJECT_MISSING')])
  })
})

describe('review', () => {
  it('signals are told, stored, and end a run in CI when too many need a look', async () => {
    const { run, rows, folder } = await freshWorkspace()
    // Nothing but backdrop.
    await sharp({ create: { width: 100, height: 80, channels: 3, background: '#ddd' } })
      .png()
      .toFile(join(folder, 'photos/empty.png'))
    const { status, stdout, stderr } = await run(
      'process',
      'photos/*.png',
      '--fail-on-review',
      '10%',
      '--json',
    )
    expect({ status, stderr }).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('1 of 2 cut-outs need review'),
    })
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'summary', needReview: 1 })
    const [empty] = (await rows()).filter(({ needs_review }) => needs_review)
    expect(empty).toMatchObject({
      source_path: expect.stringContaining('empty.png'),
      review: { reasons: ['empty-mask'] },
    })
    // A second run, which skips them all, says the same.
    expect((await run('process', 'photos/*.png', '--fail-on-review', '10%')).status).toBe(8)
    expect((await run('process', 'photos/*.png', '--fail-on-review', '50%')).status).toBe(0)
  })
})

describe('presets', () => {
  it('make pictures that pass their own check, and say why others do not', async () => {
    const { run, rows } = await freshWorkspace()
    for (const preset of ['amazon', 'ebay', 'google', 'shopify', 'walmart']) {
      const made = await run('process', 'photos', '--preset', preset, '--output', preset)
      expect(made.status, made.stderr).toBe(0)
      const checked = await run('check', preset, '--preset', preset)
      expect(checked, preset).toMatchObject({
        status: 0,
        stderr: expect.stringMatching(/^3 of 3 are acceptable.*read 2026-/),
      })
    }
    // Google wants no enlarged photos, and these are tiny.
    const google = (await rows()).filter(({ params }) => params.maxBytes === 16e6)
    expect(google).toHaveLength(3)
    for (const { review, needs_review } of google) {
      expect(needs_review).toBe(true)
      expect(review!.violations).toMatchObject([
        { rule: 'notEnlarged', message: expect.stringMatching(/enlarged \d/) },
      ])
    }
    const raw = await run('check', 'photos', '--preset', 'walmart', '--json')
    expect(raw.status).toBe(8)
    const { pictures } = JSON.parse(raw.stdout)
    expect(pictures).toHaveLength(3)
    const rules = pictures[0].violations.map(({ rule }: { rule: string }) => rule)
    expect(rules).toEqual(expect.arrayContaining(['shortestSide', 'square', 'background']))
  })

  it('may be a file of one’s own, and what is set beside it wins', async () => {
    const { run, folder } = await freshWorkspace()
    const own = {
      title: 'Our shop',
      rules: { url: 'https://shop.example/rules', read: '2026-01-31' },
      cutout: { format: 'jpeg', size: '300x300', padding: '5%', trim: true, background: '#f00' },
      check: { longestSide: { max: 250 }, formats: ['webp'] },
    }
    await writeFile(join(folder, 'ours.json'), JSON.stringify(own))
    await run('process', 'photos/cup.png', '--preset', 'ours.json', '--format', 'png', '--output', 'ours')
    const file = join(folder, 'ours/cup.png')
    expect(await sharp(file).metadata()).toMatchObject({ width: 300, height: 300, format: 'png' })
    const checked = await run('check', file, '--preset', './ours.json')
    expect(checked.stdout).toContain(
      'The format is PNG; accepted are WEBP. The longest side has 300 pixels; at most 250 are allowed.',
    )
    await writeFile(join(folder, 'bad.json'), JSON.stringify({ ...own, check: { colour: 'blue' } }))
    expect(await run('check', file, '--preset', './bad.json')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('bad.json is not usable: check'),
    })
  })

  it('check broken pictures too', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'broken.jpg'), 'no picture')
    await picture(1, 600, 600).jpeg().toFile(join(folder, 'fine.jpg'))
    const { status, stdout } = await rmbg(['check', folder, '--preset', 'ebay'])
    expect(status).toBe(8)
    expect(stdout).toMatch(
      /refused .*broken\.jpg.*cannot be read|refused .*broken\.jpg {2}The content is not a picture/,
    )
    expect(stdout).toMatch(/ok .*fine\.jpg/)
  })
})

describe('16 bits and metadata', () => {
  it('go through from file to file', async () => {
    const { run, folder } = await freshWorkspace()
    await picture(4)
      .toColourspace('rgb16')
      .withExif({ IFD0: { Copyright: 'Anna' }, IFD3: { GPSLatitudeRef: 'N' } })
      .png()
      .toFile(join(folder, 'photos/deep.png'))
    await run('process', 'photos/deep.png', '--output', 'out')
    const { depth, xmp } = await sharp(join(folder, 'out/deep.png')).metadata()
    expect(depth).toBe('ushort')
    expect(xmp!.toString()).toContain('Anna')
  })
})
