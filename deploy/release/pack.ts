/**
 * Packs what is published: rmbg-batch, and ONNX Runtime for each platform. docs/install.md says why.
 *
 *   npm run release:pack -- [--to FOLDER] [--platform linux-x64 …] [--runtime-only]
 *
 * Needs a build and the packages of `npm ci`, and no network.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { extract } from 'tar'
import {
  platformPackage,
  type RuntimePlatform,
  runtimePlatforms,
  runtimeVersion,
} from '../../src/model/runtime/packages.ts'
import { writePlatformPackage } from './platform-package.ts'

interface Packed {
  name: string
  version: string
  filename: string
  /** Bytes of the tarball, and of what is in it. */
  size: number
  unpackedSize: number
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const { values } = parseArgs({
  options: {
    to: { type: 'string', default: 'packages' },
    platform: { type: 'string', multiple: true, default: [...runtimePlatforms] },
    // Without rmbg-batch itself, which `npm pack` makes as it is.
    'runtime-only': { type: 'boolean', default: false },
  },
})
const to = resolve(values.to)
const work = await mkdtemp(join(tmpdir(), 'rmbg-pack-'))
try {
  await mkdir(to, { recursive: true })
  if (!values['runtime-only']) print(await packProgram())
  for (const platform of values.platform) print(await packRuntime(platformNamed(platform)))
} finally {
  await rm(work, { recursive: true })
}

/**
 * The optional dependencies are written into the packed package only. In the repository's own package.json `npm ci` would
 * look for them in the registry, where they are not yet when a new release of ONNX Runtime is tried.
 */
async function packProgram(): Promise<Packed> {
  const plain = await pack(root, work)
  const folder = join(work, 'program')
  await mkdir(folder)
  await extract({ file: join(work, plain.filename), cwd: folder, strip: 1 })
  const file = join(folder, 'package.json')
  const { scripts: _, devDependencies: __, knip: ___, ...manifest } = JSON.parse(await readFile(file, 'utf8'))
  const runtimes = runtimePlatforms.map((platform) => [platformPackage(platform), runtimeVersion])
  manifest.optionalDependencies = { ...manifest.optionalDependencies, ...Object.fromEntries(runtimes) }
  await writeFile(file, `${JSON.stringify(manifest, undefined, 2)}\n`)
  return pack(folder, to)
}

async function packRuntime(platform: RuntimePlatform): Promise<Packed> {
  const folder = join(work, platform)
  await writePlatformPackage(platform, join(root, 'node_modules'), folder)
  return pack(folder, to)
}

async function pack(folder: string, into: string): Promise<Packed> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', into]
  const { stdout } = await promisify(execFile)('npm', args, { cwd: folder, maxBuffer: 2 ** 26 })
  return JSON.parse(stdout)[0]
}

function platformNamed(name: string): RuntimePlatform {
  const found = runtimePlatforms.find((platform) => platform === name)
  if (!found) throw new Error(`There is no platform ${name}, only ${runtimePlatforms.join(', ')}.`)
  return found
}

function print({ name, version, filename, size, unpackedSize }: Packed): void {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(
    `${name}@${version}  ${megabytes(size)} packed, ${megabytes(unpackedSize)} unpacked  ${join(to, filename)}`,
  )
}
