/** What the build makes of src/: deploy/release/bundle.ts. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { root } from './support/cli.ts'

const dist = join(root, 'dist')
const scripts = (await readdir(dist, { recursive: true })).filter((path) => path.endsWith('.js'))
const source = new Map(
  await Promise.all(
    scripts.map(async (path) => {
      const file = join(dist, path)
      return [file, await readFile(file, 'utf8')] as const
    }),
  ),
)

/** What a file loads before its first line runs: files of dist/, and names of packages. */
function loadedWith(...entries: string[]): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string) => {
    if (files.has(file)) return
    files.add(file)
    for (const [, specifier = ''] of (source.get(file) ?? '').matchAll(
      /^(?:import|export)\b[^'"]*?["']([^'"]+)["'];?$/gm,
    )) {
      if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier))
      else if (!specifier.startsWith('node:')) packages.add(specifier)
    }
  }
  for (const entry of entries) visit(join(dist, entry))
  return { files, packages }
}

/** Not `node:`, so that no built-in module of Node is taken for a package. */
const builtin =
  /^(assert|child_process|crypto|events|fs|module|net|os|path|perf_hooks|process|readline|stream|tls|tty|url|util|v8|worker_threads|zlib)(\/|$)/
const packagesOf = (...entries: string[]) =>
  [...loadedWith(...entries).packages].filter((name) => !builtin.test(name)).sort()

describe('the bundle', () => {
  it('has each command, and all of them load', async () => {
    const manifest = JSON.parse(await readFile(join(root, 'oclif.manifest.json'), 'utf8'))
    const files = Object.values<{ relativePath: string[] }>(manifest.commands).map(({ relativePath }) =>
      join(root, ...relativePath),
    )
    const load = `for (const file of ${JSON.stringify(files)}) {
      const { default: command } = await import(file)
      if (typeof command?.run !== 'function') throw new Error(file)
    }`
    const loaded = await execa('node', ['--input-type=module', '-e', load], { reject: false })
    expect(loaded.exitCode, loaded.stderr).toBe(0)
  })

  it.skipIf(process.platform === 'win32')(
    'is started by the first line of the program with one arena and a small young heap',
    async () => {
      const told =
        'data:text/javascript,console.log(JSON.stringify([process.env.MALLOC_ARENA_MAX,...process.execArgv]))'
      const { stdout } = await execa(join(root, 'bin/run.js'), ['--version'], {
        env: { NODE_OPTIONS: `--import=${told}` },
      })
      expect(JSON.parse(stdout.split('\n')[0]!)).toEqual(['1', '--max-semi-space-size=4'])
    },
  )

  it('starts the program without a package, and a command without what only some runs need', () => {
    expect(packagesOf('system/engine.js', 'system/home.js', 'terminal/start.js')).toEqual([])
    expect(packagesOf('commands/process.js')).toEqual([])
    expect(packagesOf('cutout/worker.js', 'piscina/worker.js', 'model/worker.js')).toEqual([])
  })

  it('loads few files where a module each were hundreds', () => {
    expect(loadedWith('terminal/start.js', 'commands/process.js').files.size).toBeLessThan(100)
    expect(loadedWith('cutout/worker.js', 'piscina/worker.js').files.size).toBeLessThan(25)
  })

  it('has one class of errors', () => {
    const withClass = [...source.values()].filter((text) =>
      /\bclass RmbgError\b|\bRmbgError = class\b/.test(text),
    )
    expect(withClass).toHaveLength(1)
  })

  it('finds in dist/ all files that it starts threads from', () => {
    const started = [...source].flatMap(([file, text]) =>
      [...text.matchAll(/new URL\("([^"]+worker[^"]*\.js)", import\.meta\.url\)/g)].map(([, path = '']) =>
        resolve(dirname(file), path),
      ),
    )
    expect(started.filter((file) => !existsSync(file))).toEqual([])
  })

  it('passes on the license of each package that is in it', async () => {
    const notices = await readFile(join(dist, 'THIRD-PARTY-LICENSES.txt'), 'utf8')
    const copied = new Set(
      [...source.values()].flatMap((text) =>
        [...text.matchAll(/^\/\/.*\bnode_modules\/((?:@[^/]+\/)?[^/\n]+)\//gm)].map(([, name]) => name),
      ),
    )
    expect(copied.size).toBeGreaterThan(20)
    const missing = [...copied].filter((name) => !new RegExp(`^${name} [0-9]`, 'm').test(notices))
    expect(missing).toEqual([])
  })
})
