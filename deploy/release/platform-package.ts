/** Our package for one platform: onnxruntime-node as Microsoft publishes it, less other platforms and its install script. */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  binaryFolder,
  platformPackage,
  type RuntimePlatform,
  runtimeVersion,
  upstreamPackage,
} from '../../src/model/runtime/packages.ts'

const license = fileURLToPath(new URL('onnxruntime-license.txt', import.meta.url))

/**
 * Binaries that are left out: the dynamic library of macOS is there under two names, and the binding asks for the short
 * one; CUDA libraries are there where somebody let the install script fetch them.
 */
const leftOut = /^libonnxruntime\.\d+\.\d+\.\d+\.dylib$|onnxruntime_providers_/

/**
 * Writes the package into an empty folder.
 *
 * @param nodeModules the folder onnxruntime-node is installed in
 */
export async function writePlatformPackage(
  platform: RuntimePlatform,
  nodeModules: string,
  folder: string,
): Promise<void> {
  const upstream = join(nodeModules, upstreamPackage)
  const manifest = JSON.parse(await readFile(join(upstream, 'package.json'), 'utf8'))
  if (manifest.version !== runtimeVersion)
    throw new Error(
      `${upstreamPackage} ${manifest.version} is installed, and src/model/runtime names ${runtimeVersion}.`,
    )
  const binaries = binaryFolder(platform)
  await mkdir(join(folder, binaries), { recursive: true })
  for (const file of await readdir(join(upstream, binaries))) {
    if (!leftOut.test(file)) await cp(join(upstream, binaries, file), join(folder, binaries, file))
  }
  for (const part of ['dist', 'script']) {
    await cp(join(upstream, part), join(folder, part), { recursive: true })
  }
  await cp(license, join(folder, 'LICENSE'))
  await writeFile(join(folder, 'README.md'), readme(platform))
  await writeFile(
    join(folder, 'package.json'),
    `${JSON.stringify(manifestOf(platform, manifest), undefined, 2)}\n`,
  )
}

/** `preferUnplugged`: Yarn must not leave it in an archive, from which no native library can be loaded. */
function manifestOf(platform: RuntimePlatform, upstream: Record<string, unknown>) {
  const [os, cpu] = platform.split('-')
  return {
    name: platformPackage(platform),
    version: runtimeVersion,
    description: `ONNX Runtime for ${platform}, as ${upstreamPackage} has it. Made for rmbg-batch.`,
    license: upstream.license,
    repository: upstream.repository,
    main: upstream.main,
    types: upstream.types,
    os: [os],
    cpu: [cpu],
    ...(os === 'linux' && { libc: ['glibc'] }),
    preferUnplugged: true,
    dependencies: upstream.dependencies,
  }
}

const readme = (platform: string): string => `# ${platformPackage(platform)}

The files of [${upstreamPackage}](https://www.npmjs.com/package/${upstreamPackage}) ${runtimeVersion} for ${platform}, unchanged.
Binaries of other platforms are left out, and nothing runs when it is installed.

rmbg-batch depends on it optionally. Do not depend on it yourself.

CUDA, on Linux x64: \`node script/install.js --onnxruntime-node-install\` in this folder fetches it from nuget.org.
`
