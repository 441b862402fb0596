/** What people hand over by mistake, and names from other systems: nothing is taken that nobody meant. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { cleanEnvironment, jsonLines, program, rmbg, root } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'

const samples = join(root, 'samples/photos')

describe('a list', () => {
  it('that is a picture is refused, as an event too: no row, no folder searched', async () => {
    const { folder, home, rows } = await freshWorkspace()
    const [name = ''] = await readdir(samples)
    // As 3 of 12 photographs did, it holds a line that names all of the disk.
    const content = Buffer.concat([await readFile(join(samples, name)), Buffer.from('\n/\n.\n')])
    await writeFile(join(folder, 'list'), content)
    const options = { cwd: folder, env: { RMBG_HOME: home } }
    const { status, stdout, stderr } = await rmbg(['process', '--from-file', 'list', '--json'], options)
    expect(status, stderr).toBe(2)
    expect(stderr).toMatch(/list is a picture \(\w+\), not a list of paths\./)
    expect(jsonLines(stdout)).toMatchObject([{ type: 'error', code: 'USAGE' }])
    expect(await rows()).toEqual([])
  })

  it('of PowerShell, in UTF-16, is taken for what it says', async () => {
    const { folder, run } = await freshWorkspace()
    await writeFile(join(folder, 'list.txt'), Buffer.from('\uFEFFphotos/cup.jpg\r\n', 'utf16le'))
    const { status, stdout } = await run('process', '--from-file', 'list.txt', '--json', '--dry-run')
    expect(status).toBe(0)
    const images = jsonLines(stdout).filter(({ type }) => type === 'image')
    expect(images.map(({ input }) => input)).toEqual(['photos/cup.jpg'])
  })

  it('with a folder in it fails that entry by name and takes nothing that lies there', async () => {
    const { folder, run } = await freshWorkspace()
    await writeFile(join(folder, 'list.txt'), 'photos/cup.jpg\nphotos\n/\n.\n')
    const { status, stdout } = await run('process', '--from-file', 'list.txt', '--json')
    expect(status).toBe(3)
    const images = jsonLines(stdout).filter(({ type }) => type === 'image')
    expect(Object.fromEntries(images.map(({ input, status, code }) => [input, code ?? status]))).toEqual({
      'photos/cup.jpg': 'completed',
      ...{ photos: 'INPUT_IS_FOLDER', '/': 'INPUT_IS_FOLDER', '.': 'INPUT_IS_FOLDER' },
    })
    const [failed] = images.filter(({ status }) => status === 'failed')
    expect(failed?.hint).toContain('name it as an argument')
  })

  it('of very many names that are all wrong ends with a summary that names the first of them', async () => {
    const { folder, home } = await freshWorkspace()
    const input = Array.from({ length: 130_000 }, (_, index) => `${index}.jpg`).join('\n')
    const { status, stdout, stderr } = await rmbg(['process', '-', '--dry-run'], {
      ...{ cwd: folder, env: { RMBG_HOME: home }, input, stdin: 'pipe', maxBuffer: 2 ** 28 },
    })
    expect(status, stderr).toBe(3)
    expect(stdout.slice(-200)).toContain('  and 129000 more')
    expect(stdout).toContain('130000 failed of 130000')
  })

  it.skipIf(process.platform === 'win32')(
    'of names that are wrong is told of to the end, however late a program reads it',
    async () => {
      const { folder, home } = await freshWorkspace()
      const input = Array.from({ length: 20_000 }, (_, index) => `${index}.jpg`).join('\n')
      const { stdout } = await execa(
        'sh',
        [
          '-c',
          '"$@" | (sleep 5; tail -n 1)',
          'sh',
          process.execPath,
          program,
          'process',
          '-',
          '--dry-run',
          '--json',
        ],
        {
          ...{ cwd: folder, input, env: { RMBG_HOME: home } },
        },
      )
      expect(JSON.parse(stdout)).toMatchObject({ type: 'summary', failed: 20_000 })
    },
  )
})

describe.skipIf(process.platform !== 'linux')('a name that is not UTF-8', () => {
  it('is processed from a folder, an argument and a list, and found again', async () => {
    const { folder, home, run, rows } = await freshWorkspace()
    await mkdir(join(folder, 'latin'))
    const name = Buffer.concat([
      Buffer.from(join(folder, 'latin/caf')),
      Buffer.from([0xe9]),
      Buffer.from('.jpg'),
    ])
    await writeFile(name, await picture(1).jpeg().toBuffer())
    const completed = { input: 'latin/caf%E9.jpg', status: 'completed' }
    const skipped = { input: 'latin/caf%E9.jpg', status: 'skipped', reason: 'unchanged' }
    const imagesOf = (stdout: string) => jsonLines(stdout).filter(({ type }) => type === 'image')

    const first = await run('process', 'latin', '--json', '--output', 'cutouts')
    expect(imagesOf(first.stdout), first.stdout).toMatchObject([completed])
    expect(await readdir(join(folder, 'cutouts'))).toEqual(['caf%E9.png'])

    // Node can pass no such argument; a shell can.
    const typed = `"$0" "$1" process "$(printf 'latin/caf\\351.jpg')" --json`
    const byShell = await execa('sh', ['-c', typed, process.execPath, program], {
      ...{ cwd: folder, env: { ...cleanEnvironment(), RMBG_HOME: home }, extendEnv: false, reject: false },
    })
    expect(imagesOf(byShell.stdout), byShell.stderr).toMatchObject([skipped])

    const listed = await rmbg(['process', '-', '--json'], {
      ...{
        cwd: folder,
        env: { RMBG_HOME: home },
        stdin: 'pipe',
        input: Buffer.from('latin/caf\xe9.jpg\n', 'latin1'),
      },
    })
    expect(imagesOf(listed.stdout), listed.stderr).toMatchObject([skipped])
    expect(imagesOf((await run('process', 'latin/caf%E9.jpg', '--json')).stdout)).toMatchObject([skipped])

    expect(await rows()).toMatchObject([{ source_path: join(folder, 'latin/caf%E9.jpg') }])
    const found = await run('query', '--name', 'caf*', '--ndjson')
    expect(jsonLines(found.stdout)).toMatchObject([{ sourceName: 'caf%E9.jpg' }])
  })
})

describe.skipIf(process.platform !== 'linux')('a place whose name is not UTF-8', () => {
  it('is that of a list, of local cut-outs and of the working directory like any other', async () => {
    const { folder, home } = await freshWorkspace()
    const place = Buffer.concat([Buffer.from(join(folder, 'caf')), Buffer.from([0xe9])])
    await mkdir(place)
    const inPlace = (name: string) => Buffer.concat([place, Buffer.from(`/${name}`, 'latin1')])
    await writeFile(inPlace('l\xe9.txt'), '../photos/cup.jpg\n')
    const run = (...args: string[]) =>
      execa('sh', ['-c', `cd "$(printf 'caf\\351')" && ${args.join(' ')}`, process.execPath, program], {
        ...{ cwd: folder, env: { ...cleanEnvironment(), RMBG_HOME: home }, extendEnv: false, reject: false },
      })
    const list = `"$0" "$1" process --json --from-file="$(printf 'l\\351.txt')"`
    const output = (state: string) => ({ path: join(folder, 'caf%E9/o%E9/cup.png'), state })
    const states = async (...command: string[]) => {
      const { stdout, stderr } = await run(...command)
      const images = jsonLines(stdout).filter(({ type }) => type === 'image')
      expect(images, stderr).toHaveLength(1)
      return images[0]!.output
    }
    expect(await states(list, `-o "$(printf 'o\\351')"`)).toEqual(output('written'))
    expect(await readFile(inPlace('o\xe9/cup.png'))).not.toHaveLength(0)
    expect(await states(`RMBG_OUTPUT="$(printf 'o\\351')"`, list)).toEqual(output('unchanged'))
    // Nothing went to a place of another name.
    expect((await readdir(folder)).filter((name) => name.startsWith('caf'))).toHaveLength(1)
    expect((await readdir(place, 'buffer')).map((name) => name.toString('latin1')).sort()).toEqual([
      'l\xe9.txt',
      'o\xe9',
    ])
  })
})

describe('a folder from a NAS', () => {
  it('gives its photographs, and tells of what was left out', async () => {
    const { folder, run } = await freshWorkspace()
    await mkdir(join(folder, 'photos/@eaDir/cup.jpg'), { recursive: true })
    await picture(7).jpeg().toFile(join(folder, 'photos/@eaDir/cup.jpg/SYNOPHOTO_THUMB_XL.jpg'))
    await writeFile(join(folder, 'photos/scan.dds'), 'BM')
    const { status, stdout, stderr } = await run('process', 'photos')
    expect(status, stdout).toBe(0)
    expect(stdout).toContain('3 completed, 0 skipped, 0 failed of 3')
    expect(stderr).toContain('left out: @eaDir (1).')
    expect(stderr).toContain('1 picture of kinds that are not read from folders was left out: dds (1).')
  })
})
