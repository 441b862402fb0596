import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { familySync } from 'detect-libc'
import envPaths from 'env-paths'
import { RmbgError } from '../../errors.ts'
import { fetchRuntime } from './fetch.ts'
import {
  binaryFolder,
  bindingFile,
  platformPackage,
  type RuntimePlatform,
  runtimePlatforms,
  runtimeVersion,
  upstreamPackage,
} from './packages.ts'

/** Told before ONNX Runtime is fetched, which takes a while. */
export interface RuntimeNews {
  code: 'runtime-fetched'
  message: string
}

export interface RuntimeOptions {
  tell?: ((news: RuntimeNews) => void) | undefined
  /** As `process.platform` and `process.arch` say it, with a hyphen; this machine's by default. */
  platform?: string
  /** `musl` or `glibc` on Linux, otherwise null. */
  libc?: string | null
  /** Where a fetched copy is kept; the user's cache folder by default. */
  cacheFolder?: string
  /** The file whose packages are searched; this one by default. */
  from?: string | URL
}

/**
 * Finds ONNX Runtime's Node binding, or fetches it.
 *
 * A release has it in a package for each platform. That package is missing where optional dependencies were left out,
 * where a lock file was written on another platform (npm/cli #4828), where node_modules was copied from another machine,
 * and in a package that `npm pack` made from a clone. Then npm fetches it from its registry, once for each user.
 *
 * @returns the folder of a package with the files of onnxruntime-node
 * @throws RmbgError RUNTIME_UNAVAILABLE
 */
export async function provideRuntime(options: RuntimeOptions = {}): Promise<string> {
  const {
    tell = () => {},
    platform = `${process.platform}-${process.arch}`,
    libc = familySync(),
    cacheFolder = envPaths('rmbg', { suffix: '' }).cache,
    from = import.meta.url,
  } = options
  assertBuiltFor(platform, libc)
  const fetched = join(cacheFolder, `onnxruntime-${runtimeVersion}-${platform}`)
  const found = [
    installedAt(platformPackage(platform), from),
    installedAt(upstreamPackage, from),
    join(fetched, 'node_modules', upstreamPackage),
  ].find((folder) => folder !== undefined && isUsable(folder, platform))
  if (found !== undefined) return found
  tell({
    code: 'runtime-fetched',
    message: `ONNX Runtime for ${platform} is not installed. Fetching it from the npm registry, once (114 MB).`,
  })
  await fetchRuntime(fetched, platform)
  return join(fetched, 'node_modules', upstreamPackage)
}

function assertBuiltFor(platform: string, libc: string | null): asserts platform is RuntimePlatform {
  const isBuilt = runtimePlatforms.some((each) => each === platform)
  if (isBuilt && libc !== 'musl') return
  throw new RmbgError(
    'RUNTIME_UNAVAILABLE',
    `ONNX Runtime ${runtimeVersion} does not exist for ${platform}${libc === 'musl' ? ' with musl (Alpine)' : ''}.`,
    {
      hint:
        libc === 'musl'
          ? 'Use a system with glibc, such as the image node:22-slim.'
          : `It exists for ${runtimePlatforms.join(', ')}.`,
    },
  )
}

function installedAt(name: string, from: string | URL): string | undefined {
  try {
    return dirname(createRequire(from).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

/** Another package may have brought another release of onnxruntime-node, with which nothing here was tried. */
function isUsable(folder: string, platform: string): boolean {
  if (!existsSync(join(folder, binaryFolder(platform), bindingFile))) return false
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return version === runtimeVersion
}
