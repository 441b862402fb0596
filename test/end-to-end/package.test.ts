/** What is published: the manifest is true, the package installs elsewhere and runs, the README's first line works. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Plugin } from '@oclif/core'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { cleanEnvironment, root, temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'

const readme = await readFile(join(root, 'README.md'), 'utf8')

/** Of 600 MB, on a machine that may do other things at the same time. */
const installMs = 300_000

function run(file: string, args: string[], cwd: string, env: Record<string, string> = {}) {
  return execa(file, args, {
    cwd,
    env: { ...cleanEnvironment(), ...env, NO_COLOR: '1' } as Record<string, string>,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: 'ignore',
  })
}

describe('oclif.manifest.json', () => {
  it('tells the truth about every command and flag', async () => {
    const plugin = new Plugin({ root, ignoreManifest: true, type: 'core' })
    await plugin.load()
    const written = JSON.parse(await readFile(join(root, 'oclif.manifest.json'), 'utf8'))
    // Run `npm run manifest` after changing a command.
    expect(written.commands).toEqual(JSON.parse(JSON.stringify(plugin.manifest.commands)))
    expect(written.version).toBe(plugin.version)
  })
})

describe('the package', () => {
  it(
    'holds what it needs and nothing else, installs elsewhere and runs',
    async () => {
      const folder = await temporaryFolder()
      const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], root)
      expect(packed.exitCode, packed.all).toBe(0)
      const [{ files, filename }] = JSON.parse(packed.stdout)
      const topLevel = new Set(files.map((file: { path: string }) => file.path.split('/')[0]))
      expect([...topLevel].sort()).toEqual([
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'bin',
        'dist',
        'man',
        'migrations',
        'oclif.manifest.json',
        'package.json',
        'schema',
        'src',
      ])
      expect(
        files.filter(
          ({ path }: { path: string }) =>
            /^src\//.test(path) && !/\.onnx$|^src\/settings\/presets\/\w+\.json$/.test(path),
        ),
      ).toEqual([])

      const installation = join(folder, 'installation')
      await mkdir(join(installation, 'photos'), { recursive: true })
      await writeFile(join(installation, 'package.json'), '{ "private": true }')
      await picture(1).jpeg().toFile(join(installation, 'photos/cup.jpg'))
      const installed = await run(
        'npm',
        ['install', '--ignore-scripts', '--prefer-offline', join(folder, filename)],
        installation,
      )
      expect(installed.exitCode, installed.all).toBe(0)
      const version = await run('npx', ['rmbg', '--version'], installation)
      expect(version.stdout).toContain(
        `rmbg-batch/${JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).version}`,
      )
      const processed = await run('npx', ['rmbg', 'process', 'photos', '-o', 'cutouts'], installation, {
        RMBG_HOME: join(folder, 'home'),
      })
      expect(processed.exitCode, processed.all).toBe(0)
      expect(await readdir(join(installation, 'cutouts'))).toEqual(['cup.png'])
    },
    installMs,
  )
})

/**
 * An `npm` whose `ci` takes the packages that are installed here already: `.ci/run` begins with `npm ci` in a clean
 * clone, and the test above installs the packed package.
 */
const npmWithoutDownload = `#!/bin/sh
if [ "$*" = ci ]; then ln -s '${join(root, 'node_modules')}' node_modules; exit; fi
PATH="\${PATH#*:}" exec npm "$@"
`

describe('the README', () => {
  it(
    'has a first line that does everything from a clone to cut-outs',
    async () => {
      const line = /^npm ci && npm run build && .*$/m.exec(readme)?.[0]
      expect(line).toBeDefined()
      const folder = await temporaryFolder()
      // The files of a clean clone, with what is not committed yet.
      const listed = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], root)
      for (const path of listed.stdout.split('\0').filter(Boolean)) {
        await mkdir(join(folder, 'clone', path, '..'), { recursive: true })
        await writeFile(join(folder, 'clone', path), await readFile(join(root, path)), { mode: 0o755 }).catch(
          (error) => {
            if (error.code !== 'ENOENT') throw error // deleted, but not committed as such yet
          },
        )
      }
      await writeFile(join(folder, 'npm'), npmWithoutDownload, { mode: 0o755 })
      const first = await run('bash', ['-c', line!], join(folder, 'clone'), {
        PATH: `${folder}:${process.env.PATH}`,
        RMBG_HOME: join(folder, 'home'),
      })
      expect(first.exitCode, first.all).toBe(0)
      expect((await readdir(join(folder, 'clone/cutouts'))).length).toBeGreaterThanOrEqual(8)
    },
    installMs,
  )
})
