/** What is published: the manifest is true, the package installs elsewhere and runs, the README's first line works. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Plugin } from '@oclif/core'
import { execa } from 'execa'
import { list } from 'tar'
import { describe, expect, it, onTestFinished } from 'vitest'
import { cleanEnvironment, jsonLines, root, temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'
import { startRegistry } from '../support/registry.ts'

const readme = await readFile(join(root, 'README.md'), 'utf8')
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))

/** For an installation, on a machine that may do other things at the same time. */
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

/** The network of a closed company: npm packages come from one registry, and no other host has an address. */
async function closedNetwork(folder: string, registry: string) {
  const { stdout: cache } = await execa('npm', ['config', 'get', 'cache'])
  return {
    HOME: join(folder, 'home'),
    XDG_CACHE_HOME: join(folder, 'home/.cache'),
    npm_config_registry: registry,
    npm_config_cache: cache, // tarballs are taken from there by digest, if they are in it
    NODE_OPTIONS: `--require ${join(root, 'test/support/registry-only.cjs')}`,
  }
}

const platform = `${process.platform}-${process.arch}`

async function filesIn(tarball: string): Promise<string[]> {
  const paths: string[] = []
  await list({ file: tarball, onReadEntry: ({ path }) => paths.push(path.replace('package/', '')) })
  return paths
}

describe('the package', () => {
  it(
    'holds what it needs and nothing else, installs where only the registry is reached, and runs',
    async () => {
      const folder = await temporaryFolder()
      const packages = join(folder, 'packages')
      const packed = await run(
        'npm',
        ['run', 'release:pack', '--', '--to', packages, '--platform', platform],
        root,
      )
      expect(packed.exitCode, packed.all).toBe(0)
      const tarballs = (await readdir(packages)).map((name) => join(packages, name))
      const files = await filesIn(join(packages, `rmbg-batch-${version}.tgz`))
      expect([...new Set(files.map((path) => path.split('/')[0]))].sort()).toEqual([
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'bin',
        'dist',
        'docs',
        'migrations',
        'oclif.manifest.json',
        'package.json',
        'src',
      ])
      expect(
        files.filter(
          (path) => /^src\//.test(path) && !/\.onnx$|^src\/settings\/presets\/\w+\.json$/.test(path),
        ),
      ).toEqual([])

      const registry = await startRegistry(tarballs)
      onTestFinished(registry.close)
      const env = await closedNetwork(folder, registry.url)
      const isClosed = await run('node', ['-e', "require('https').get('https://api.nuget.org')"], folder, env)
      expect(isClosed.stderr).toContain('ENOTFOUND api.nuget.org')

      const prefix = join(folder, 'prefix')
      const installed = await run(
        'npm',
        ['install', '--global', '--prefix', prefix, 'rmbg-batch'],
        folder,
        env,
      )
      expect(installed.exitCode, installed.all).toBe(0)
      const nodeModules = join(prefix, 'lib/node_modules/rmbg-batch/node_modules')
      const runtime = join(nodeModules, '@rmbg-batch')
      expect(await readdir(runtime)).toEqual([`onnxruntime-${platform}`])
      const [megabytes] = (await execa('du', ['-sm', prefix])).stdout.split('\t')
      console.log(`\n${packed.stdout.split('\n').slice(-2).join('\n')}\ninstalled: ${megabytes} MB`)
      expect(Number(megabytes)).toBeLessThan(220)

      const rmbg = (args: string[]) =>
        run(join(prefix, 'bin/rmbg'), args, folder, { ...env, RMBG_HOME: join(folder, 'home/rmbg') })
      expect((await rmbg(['--version'])).stdout).toContain(`rmbg-batch/${version}`)
      await mkdir(join(folder, 'photos'))
      await picture(1).jpeg().toFile(join(folder, 'photos/cup.jpg'))
      const processed = await rmbg(['process', 'photos', '-o', 'cutouts'])
      expect(processed.exitCode, processed.all).toBe(0)
      expect(await readdir(join(folder, 'cutouts'))).toEqual(['cup.png'])
      const imported = await run(
        'node',
        ['-p', "import('rmbg-batch').then(({ openRmbg }) => console.log(typeof openRmbg))"],
        join(prefix, 'lib'),
        env,
      )
      expect(imported.stdout, imported.all).toContain('function')

      // As it is with a lock file of another platform, and with what `npm pack` alone makes.
      await rm(runtime, { recursive: true })
      const again = await rmbg(['process', 'photos', '--force', '--json'])
      expect(again.exitCode, again.all).toBe(0)
      expect(jsonLines(again.stdout).map(({ code }) => code)).toContain('runtime-fetched')
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
