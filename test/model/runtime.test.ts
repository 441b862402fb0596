/** Where ONNX Runtime comes from: the package of this platform, a clone's onnxruntime-node, or the npm registry. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  binaryFolder,
  bindingFile,
  platformPackage,
  runtimePlatforms,
  runtimeVersion,
  upstreamIntegrity,
  upstreamPackage,
} from '../../src/model/runtime/packages.ts'
import { provideRuntime } from '../../src/model/runtime/provide.ts'
import { root, temporaryFolder } from '../support/cli.ts'

async function install(
  folder: string,
  name: string,
  { version = runtimeVersion, platform = 'linux-x64' } = {},
) {
  const installed = join(folder, 'node_modules', name)
  await mkdir(join(installed, binaryFolder(platform)), { recursive: true })
  await writeFile(join(installed, 'package.json'), JSON.stringify({ name, version }))
  await writeFile(join(installed, binaryFolder(platform), bindingFile), '')
  return installed
}

/** A program in a folder, on Linux x64. */
const from = (folder: string, more: { platform?: string; libc?: string | null } = {}) => ({
  from: join(folder, 'program.js'),
  cacheFolder: join(folder, 'cache'),
  platform: 'linux-x64',
  libc: 'glibc',
  ...more,
})

/** What `npm` is while a test runs: a script, in a shell. */
async function npmIs(folder: string, script: string): Promise<void> {
  await writeFile(join(folder, 'npm'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
}
afterEach(() => vi.unstubAllEnvs())

/** An npm that installs files as onnxruntime-node has them, for two platforms. */
const installing = (integrity: string) => `
for platform in linux/x64 win32/arm64; do
  mkdir -p node_modules/onnxruntime-node/bin/napi-v6/$platform
  echo > node_modules/onnxruntime-node/bin/napi-v6/$platform/${bindingFile}
done
echo '{ "version": "${runtimeVersion}" }' > node_modules/onnxruntime-node/package.json
echo '{ "packages": { "node_modules/onnxruntime-node": { "integrity": "${integrity}" } } }' > package-lock.json`

describe('ONNX Runtime', () => {
  it('is the release and the digest of the lock file', async () => {
    const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'))
    expect(packages[`node_modules/${upstreamPackage}`]).toMatchObject({
      version: runtimeVersion,
      integrity: upstreamIntegrity,
    })
  })

  it('exists for what onnxruntime-node has, with the files where we look for them', async () => {
    const binaries = join(root, 'node_modules', upstreamPackage, 'bin/napi-v6')
    const systems = await readdir(binaries)
    const platforms = await Promise.all(
      systems.map(async (system) => (await readdir(join(binaries, system))).map((cpu) => `${system}-${cpu}`)),
    )
    expect(platforms.flat().sort()).toEqual([...runtimePlatforms])
    for (const platform of runtimePlatforms)
      expect(await readdir(join(binaries, '../..', binaryFolder(platform)))).toContain(bindingFile)
  })

  it('is taken from the package of this platform first, then from onnxruntime-node', async () => {
    const folder = await temporaryFolder()
    const upstream = await install(folder, upstreamPackage)
    expect(await provideRuntime(from(folder))).toBe(upstream)
    const ours = await install(folder, platformPackage('linux-x64'))
    expect(await provideRuntime(from(folder))).toBe(ours)
  })

  it('is the copy that was fetched before, where another package brought another release', async () => {
    const folder = await temporaryFolder()
    await install(folder, upstreamPackage, { version: '1.21.0' })
    const cached = join(folder, 'cache', `onnxruntime-${runtimeVersion}-linux-x64`)
    const fetched = await install(cached, upstreamPackage)
    expect(await provideRuntime(from(folder))).toBe(fetched)
  })

  it('is refused where it does not exist, with where it does', async () => {
    const folder = await temporaryFolder()
    await expect(provideRuntime(from(folder, { platform: 'darwin-x64', libc: null }))).rejects.toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      message: `ONNX Runtime ${runtimeVersion} does not exist for darwin-x64.`,
      hint: `It exists for ${runtimePlatforms.join(', ')}.`,
    })
    await expect(provideRuntime(from(folder, { libc: 'musl' }))).rejects.toMatchObject({
      message: expect.stringContaining('musl (Alpine)'),
      hint: expect.stringContaining('glibc'),
    })
  })

  it('is fetched by npm where no package has it, once, after saying so; other platforms are removed', async () => {
    const folder = await temporaryFolder()
    await npmIs(folder, installing(upstreamIntegrity))
    const said: string[] = []
    const fetched = await provideRuntime({ ...from(folder), tell: ({ message }) => said.push(message) })
    expect(said).toEqual([expect.stringContaining('Fetching it from the npm registry, once')])
    expect(await readdir(join(fetched, 'bin/napi-v6/linux/x64'))).toEqual([bindingFile])
    expect(await readdir(join(fetched, 'bin/napi-v6/win32'))).toEqual([])
    await npmIs(folder, 'exit 1')
    expect(await provideRuntime(from(folder))).toBe(fetched)
  })

  it('is not taken when it is not what the lock file has', async () => {
    const folder = await temporaryFolder()
    await npmIs(folder, installing('sha512-other'))
    await expect(provideRuntime(from(folder))).rejects.toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      message: expect.stringContaining('its digest is sha512-other'),
    })
    expect(await readdir(join(folder, 'cache'))).toEqual([])
  })

  it('is missing when npm reaches no registry, with the reason and the way out', async () => {
    const folder = await temporaryFolder()
    await npmIs(
      folder,
      'echo "npm error code ENOTFOUND\nnpm error request to npm.example failed." >&2; exit 1',
    )
    await expect(provideRuntime(from(folder))).rejects.toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      message:
        'ONNX Runtime for linux-x64 is not installed and could not be fetched: request to npm.example failed.',
      hint: expect.stringContaining(platformPackage('linux-x64')),
    })
  })
})
