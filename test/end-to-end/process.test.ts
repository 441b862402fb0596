/** `rmbg process` as a designer meets it: no settings, embedded database, local store. */
import { cp, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { jsonLines, rmbg, root, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

describe('a folder of photos', () => {
  it('becomes an original, a mask and a cut-out each, and a completed row', async () => {
    const { run, rows, home, folder } = await freshWorkspace()
    const { status, stdout } = await run('process', 'photos', '--tag', 'spring', '--user', 'anna')
    expect(status, stdout).toBe(0)
    expect(stdout).toContain('3 completed, 0 skipped, 0 failed of 3')
    const completed = await rows()
    expect(completed.map((row) => row.status)).toEqual(['completed', 'completed', 'completed'])
    const [cup] = completed
    expect(cup).toMatchObject({
      user_id: 'anna',
      image_width: 160,
      image_height: 120,
      execution_provider: 'cpu',
      attempt: 1,
      error_code: null,
    })
    expect(cup!.params.model).toMatchObject({
      name: 'silhouette',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    const objects = join(home, 'store')
    expect(await readFile(join(objects, cup!.original_path))).toEqual(
      await readFile(join(folder, 'photos/cup.jpg')),
    )
    expect(cup!.original_path).toMatch(/^original\/\d{4}\/\d\d\/\d\d\/[0-9a-f-]{36}-1\.jpg$/)
    expect(await sharp(join(objects, cup!.mask_path!)).metadata()).toMatchObject({
      format: 'png',
      width: 160,
      height: 120,
      channels: 1,
      depth: 'uchar',
    })
    const cutout = await sharp(join(objects, cup!.processed_path!))
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect(cutout.info).toMatchObject({ width: 160, height: 120, channels: 4 })
    const alphaAt = (x: number, y: number) => cutout.data[(y * 160 + x) * 4 + 3]!
    expect(alphaAt(80, 60), 'the subject stays').toBeGreaterThan(250)
    expect(alphaAt(4, 4), 'the backdrop goes').toBeLessThan(5)
  })

  it('is done only once: a second run reads no image and loads no model', async () => {
    const { run, rows, folder } = await freshWorkspace()
    const cup = join(folder, 'photos/cup.jpg')
    await utimes(cup, 1_700_000_000, 1_700_000_000)
    await run('process', 'photos')
    // Were it read, the run would stumble over what is in it now.
    await writeFile(cup, Buffer.alloc((await stat(cup)).size, 'x'))
    await utimes(cup, 1_700_000_000, 1_700_000_000)
    const again = jsonLines((await run('process', 'photos', '--json')).stdout)
    expect(
      again.filter((event) => event.type === 'image').map(({ status, reason }) => [status, reason]),
    ).toEqual(Array(3).fill(['skipped', 'unchanged']))
    expect(await rows()).toHaveLength(3)
  })

  it('knows a renamed, copied or touched file by its content', async () => {
    const { run, rows, folder } = await freshWorkspace()
    await run('process', 'photos')
    await cp(join(folder, 'photos/cup.jpg'), join(folder, 'photos/copy.jpg'))
    await utimes(join(folder, 'photos/cup.png'), new Date(), new Date())
    const { status, stdout } = await run('process', 'photos')
    expect(status).toBe(0)
    expect(stdout).toContain('0 completed, 4 skipped')
    expect(stdout).toContain('same content done before')
    expect(await rows()).toHaveLength(3)
    // What was compared once is known by path, size and time from then on.
    const third = jsonLines((await run('process', 'photos', '--json')).stdout)
    expect(third.filter(({ type }) => type === 'image').map(({ reason }) => reason)).toEqual(
      Array(4).fill('unchanged'),
    )
  })

  it('is done again when a parameter changes, or with --force', async () => {
    const { run, rows } = await freshWorkspace()
    await run('process', 'photos')
    expect((await run('process', 'photos', '--keep-hidden-color')).stdout).toContain('3 completed')
    expect((await run('process', 'photos/cup.jpg', '--checksum')).stdout).toContain('1 skipped')
    expect((await run('process', 'photos/cup.jpg', '--force')).stdout).toContain('1 completed')
    const home = await rows().catch((error: Error) => error)
    // --force makes a second row of the same work on purpose; nothing else may.
    expect(String(home)).toContain('cup.jpg was done twice')
  })

  it('gives duplicates inside one run one job', async () => {
    const { run, rows, folder } = await freshWorkspace()
    for (const name of ['a', 'b', 'c', 'd'])
      await cp(join(folder, 'photos/cup.jpg'), join(folder, `photos/${name}.jpg`))
    const { status, stdout } = await run('process', 'photos', '--concurrency', '8')
    expect(status, stdout).toBe(0)
    expect(stdout).toContain('3 completed, 4 skipped, 0 failed of 7')
    expect(await rows()).toHaveLength(3)
  })
})

describe('--output', () => {
  it('mirrors the input tree and never lets one cut-out overwrite another', async () => {
    const { run, folder } = await freshWorkspace()
    expect((await run('process', 'photos', '--output', 'cutouts')).status).toBe(0)
    expect((await readdir(join(folder, 'cutouts'), { recursive: true })).sort()).toEqual([
      'cup.jpg.png',
      'cup.png.png',
      'summer',
      join('summer', 'cup.png'),
    ])
  })

  it('is filled again from the store when cut-outs are missing', async () => {
    const { run, folder } = await freshWorkspace()
    await run('process', 'photos')
    expect((await run('process', 'photos', '-o', 'cutouts')).stdout).toContain('3 skipped')
    const cutout = await readFile(join(folder, 'cutouts/summer/cup.png'))
    await rm(join(folder, 'cutouts'), { recursive: true })
    await run('process', 'photos', '-o', 'cutouts')
    expect(await readFile(join(folder, 'cutouts/summer/cup.png'))).toEqual(cutout)
  })

  it('is never taken as input', async () => {
    const { run } = await freshWorkspace()
    await run('process', 'photos', '-o', 'photos/cutouts')
    expect((await run('process', 'photos', '-o', 'photos/cutouts')).stdout).toContain(
      '3 skipped, 0 failed of 3',
    )
    const { status, stderr } = await run('process', 'photos', '-o', 'photos')
    expect(status).toBe(2)
    expect(stderr).toContain('photos')
  })
})

describe('inputs', () => {
  it('come from globs, shell lists, files of names and standard input alike', async () => {
    const { folder, home } = await freshWorkspace()
    const run = (args: string[], input?: string) =>
      rmbg(['process', ...args, '--dry-run', '--json'], {
        cwd: folder,
        env: { RMBG_HOME: home },
        ...(input !== undefined && { stdin: undefined, input }),
      })
    const inputs = async (args: string[], input?: string) => {
      const { status, stdout, stderr } = await run(args, input)
      expect(status, stderr).toBe(0)
      return jsonLines(stdout)
        .filter((event) => event.type === 'image')
        .map((event) => event.input)
        .sort()
    }
    const all = ['photos/cup.jpg', 'photos/cup.png', 'photos/summer/cup.webp']
    await writeFile(join(folder, 'list.txt'), `${all.join('\n')}\n`)
    expect(await inputs(['photos'])).toEqual(all)
    expect(await inputs(['photos/**/*.{jpg,png,webp}'])).toEqual(all)
    expect(await inputs(all)).toEqual(all)
    expect(await inputs(['--from-file', 'list.txt'])).toEqual(all)
    expect(await inputs(['-'], all.join('\n'))).toEqual(all)
    expect(await inputs(['-'], all.join('\0'))).toEqual(all)
    expect(await inputs(['photos', '--ignore', '**/summer/**'])).toEqual(all.slice(0, 2))
  })

  it('that match nothing are an error that names the pattern', async () => {
    const { run } = await freshWorkspace()
    const { status, stdout, stderr } = await run('process', 'photos', 'holiday/*.jpg')
    expect(status).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('holiday/*.jpg')
  })
})

describe('what goes wrong', () => {
  it('fails one image with one sentence and goes on with the others', async () => {
    const { run, rows, folder } = await freshWorkspace()
    await writeFile(join(folder, 'photos/notes.jpg'), 'milk, bread')
    const { status, stdout, stderr } = await run('process', 'photos')
    expect(status).toBe(3)
    expect(stdout).toContain('3 completed, 0 skipped, 1 failed of 4')
    expect(stdout).toMatch(/photos\/notes\.jpg: .+ \[INPUT_UNSUPPORTED\]/)
    expect(stdout + stderr).not.toContain('    at ')
    const failed = (await rows()).find((row) => row.status === 'failed')
    expect(failed).toMatchObject({
      error_code: 'INPUT_UNSUPPORTED',
      source_path: join(folder, 'photos/notes.jpg'),
    })
    await run('process', 'photos')
    expect((await rows()).filter((row) => row.status === 'failed')).toMatchObject([{ attempt: 2 }])
  })

  it('stops early with --fail-fast and --max-failures', async () => {
    const { run, folder } = await freshWorkspace()
    await mkdir(join(folder, 'bad'))
    for (let index = 0; index < 20; index++)
      await writeFile(join(folder, `bad/${index}.jpg`), `no image ${index}`)
    const fast = jsonLines(
      (await run('process', 'bad', '--fail-fast', '--concurrency', '1', '--json')).stdout,
    ).at(-1)!
    expect(fast).toMatchObject({ type: 'summary', failed: 1, remaining: 19, interrupted: false })
    const few = await run('process', 'bad', '--max-failures', '5', '--concurrency', '1', '--json')
    expect(few.status).toBe(3)
    expect(jsonLines(few.stdout).at(-1)).toMatchObject({ failed: 5, remaining: 15 })
  })

  it('refuses an image that is larger than the memory budget, and makes others wait for their share', async () => {
    const { run, folder } = await freshWorkspace()
    await picture(9, 4000, 3000).jpeg().toFile(join(folder, 'photos/giant.jpg'))
    const { status, stdout } = await run('process', 'photos', '--max-memory', '40MB', '--concurrency', '4')
    expect(status).toBe(3)
    expect(stdout).toContain('3 completed, 0 skipped, 1 failed of 4')
    expect(stdout).toMatch(/giant\.jpg: The image needs about .* more than the budget .* \[MEMORY_BUDGET\]/)
  })

  it.each([
    ['a wrong flag', ['process', 'photos', '--nonsense'], {}, 2, '--nonsense'],
    ['a wrong setting', ['process', 'photos'], { RMBG_CONCURRENCY: 'many' }, 2, 'RMBG_CONCURRENCY'],
    ['no input at all', ['process'], {}, 2, 'photos'],
    ['an unknown model', ['process', 'photos', '--model', 'nobody'], {}, 6, 'nobody'],
    [
      'a database that is not there',
      ['process', 'photos'],
      { DATABASE_URL: 'postgres://anna:s3cret@127.0.0.1:9/x', RMBG_PATIENCE: '0' },
      4,
      '127.0.0.1',
    ],
    [
      'a store that is not there',
      ['process', 'photos'],
      {
        S3_BUCKET: 'photos',
        S3_ENDPOINT: 'http://127.0.0.1:9',
        RMBG_PATIENCE: '0',
        AWS_ACCESS_KEY_ID: 'id',
        AWS_SECRET_ACCESS_KEY: 's3cret',
      },
      5,
      '127.0.0.1:9',
    ],
  ])('%s is told in a sentence and has its exit status', async (_, args, env, expected, named) => {
    const { folder, home } = await freshWorkspace()
    const { status, stdout, stderr } = await rmbg(args, { cwd: folder, env: { RMBG_HOME: home, ...env } })
    expect(status, stderr).toBe(expected)
    expect(stderr).toContain(named)
    expect(stdout + stderr).not.toContain('s3cret')
    expect(stdout + stderr).not.toContain('    at ')
  })
})

describe('--dry-run', () => {
  it('prints what would be done and writes nothing', async () => {
    const { run, rows, folder } = await freshWorkspace()
    const { status, stdout } = await run('process', 'photos', '--dry-run', '-o', 'cutouts')
    expect(status).toBe(0)
    expect(stdout).toMatch(/would do +photos\/cup\.jpg/)
    expect(stdout).toContain('3 would be processed')
    expect(await readdir(folder)).not.toContain('cutouts')
    expect(await rows()).toEqual([])
  })
})

describe('--json', () => {
  it('streams one object per image and one summary to stdout, and nothing but objects', async () => {
    const { run } = await freshWorkspace()
    const events = jsonLines((await run('process', 'photos', '--json')).stdout)
    expect(events.map((event) => event.type)).toEqual([
      ...['start', 'notice', 'model'],
      ...['image', 'image', 'image'],
      'summary',
    ])
    expect(events[2]).toEqual({ type: 'model', model: 'silhouette', provider: 'cpu' })
    expect(events[3]).toMatchObject({
      status: 'completed',
      jobId: expect.any(String),
      width: 160,
      height: 120,
      provider: 'cpu',
    })
    expect(events.at(-1)).toMatchObject({
      completed: 3,
      failed: 0,
      skipped: 0,
      interrupted: false,
      failures: [],
    })
  })
})

describe('help', () => {
  it('opens no database and loads no model', async () => {
    const folder = await temporaryFolder()
    const home = join(folder, 'home')
    for (const args of [['--help'], ['--version'], ['process', '--help'], ['process', '--nonsense']]) {
      await rmbg(args, { cwd: folder, env: { RMBG_HOME: home } })
    }
    await expect(stat(home)).rejects.toThrow('ENOENT')
  })
})

describe('the samples', () => {
  it('all become cut-outs with something in them and something gone', async () => {
    const folder = await temporaryFolder()
    const { status, stdout } = await rmbg(
      ['process', join(root, 'samples/photos'), '-o', 'cutouts', '--json'],
      {
        cwd: folder,
        env: { RMBG_HOME: join(folder, 'home') },
      },
    )
    expect(status, stdout).toBe(0)
    const images = jsonLines(stdout).filter((event) => event.type === 'image')
    expect(images.length).toBeGreaterThanOrEqual(8)
    for (const { output, input } of images) {
      const { channels } = await sharp(output.path).stats()
      expect(channels[3]!.mean, `${input}: the subject stays`).toBeGreaterThan(10)
      expect(channels[3]!.mean, `${input}: the background goes`).toBeLessThan(230)
    }
  })
})
