import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { RmbgError } from '../errors.ts'
import type { Device } from './contract.ts'

/** A backend that ONNX Runtime was built with. One that is not bundled needs files that the npm package lacks. */
export interface Backend {
  name: string
  bundled: boolean
}

type Provider = Exclude<Device, 'auto'>

/** What `auto` tries before the CPU, best first. The others are slow to start or immature: only on request. */
const preferred: readonly Provider[] = ['cuda', 'directml']

/** ONNX Runtime's names of the providers. TensorRT leaves to CUDA what it cannot do itself. */
const runtimeNames: Record<Provider, string[]> = {
  cpu: ['cpu'],
  cuda: ['cuda'],
  tensorrt: ['tensorrt', 'cuda'],
  directml: ['dml'],
  coreml: ['coreml'],
  webgpu: ['webgpu'],
}

/**
 * Opens a session on the device asked for. A device that is named is used or refused, never replaced: running on the CPU
 * unnoticed is the loudest complaint about tools of this kind.
 *
 * @param open makes a session with ONNX Runtime's names of execution providers
 * @param packageFolder of onnxruntime-node
 * @returns the session, its device, and a notice about the first device that `auto` could not use
 * @throws RmbgError DEVICE_UNAVAILABLE; what `open` throws on the CPU
 */
export async function openOnDevice<Session>(
  device: Device,
  open: (providers: string[]) => Promise<Session>,
  backends: readonly Backend[],
  packageFolder: string,
): Promise<{ session: Session; provider: Provider; notice?: string }> {
  if (device === 'cpu') return { session: await open(['cpu']), provider: 'cpu' }
  if (device !== 'auto') {
    assertInstalled(device, backends, packageFolder)
    try {
      return { session: await open(runtimeNames[device]), provider: device }
    } catch (cause) {
      throw await unusable(device, cause as Error, packageFolder)
    }
  }
  let notice: string | undefined
  for (const provider of preferred.filter((each) => isInstalled(each, backends, packageFolder))) {
    try {
      return {
        session: await open(runtimeNames[provider]),
        provider,
        ...(notice !== undefined && { notice }),
      }
    } catch (cause) {
      const { message } = await unusable(provider, cause as Error, packageFolder)
      notice ??= `${message} The model runs on the CPU.`
    }
  }
  return { session: await open(['cpu']), provider: 'cpu', ...(notice !== undefined && { notice }) }
}

function backendOf(provider: Provider, backends: readonly Backend[]): Backend | undefined {
  return backends.find(({ name }) => name === runtimeNames[provider][0])
}

const isInstalled = (provider: Provider, backends: readonly Backend[], packageFolder: string): boolean => {
  const backend = backendOf(provider, backends)
  return backend !== undefined && (backend.bundled || existsSync(libraryOf(provider, packageFolder)))
}

function assertInstalled(provider: Provider, backends: readonly Backend[], packageFolder: string): void {
  if (isInstalled(provider, backends, packageFolder)) return
  if (!backendOf(provider, backends)) {
    const known = (Object.keys(runtimeNames) as Provider[]).filter((each) => backendOf(each, backends))
    throw new RmbgError(
      'DEVICE_UNAVAILABLE',
      `The device ${provider} does not exist on ${process.platform} ${process.arch}.`,
      { hint: `ONNX Runtime knows ${known.join(', ')} here.` },
    )
  }
  const library = libraryOf(provider, packageFolder)
  throw new RmbgError('DEVICE_UNAVAILABLE', `The device ${provider} cannot be used: ${library} is missing.`, {
    hint: `Install it with: node ${join(packageFolder, 'script', 'install.js')} --onnxruntime-node-install`,
  })
}

async function unusable(provider: Provider, cause: Error, packageFolder: string): Promise<RmbgError> {
  const missing = await missingLibraries(libraryOf(provider, packageFolder))
  const why =
    missing.length > 0
      ? `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`
      : cause.message
          .trim()
          .replace(/\.$/, '')
          .split(/\.\s+|\n/)
          .at(-1)! // the rest are ONNX Runtime's own source lines
  const isCuda = provider === 'cuda' || provider === 'tensorrt'
  return new RmbgError('DEVICE_UNAVAILABLE', `The device ${provider} cannot be used: ${why}.`, {
    hint: isCuda
      ? 'It needs an NVIDIA driver, CUDA 12 and cuDNN 9 in the library path. Or use --device cpu.'
      : 'Use --device cpu, or auto.',
    cause,
  })
}

/** The file through which ONNX Runtime reaches a device that is not bundled. */
function libraryOf(provider: Provider, packageFolder: string): string {
  const name = `onnxruntime_providers_${provider}`
  const file = process.platform === 'win32' ? `${name}.dll` : `lib${name}.so`
  return join(packageFolder, 'bin', 'napi-v6', process.platform, process.arch, file)
}

/** Libraries that a library needs and the system does not have; empty when that cannot be found out. */
async function missingLibraries(library: string): Promise<string[]> {
  if (process.platform !== 'linux' || !existsSync(library)) return []
  const { stdout } = await promisify(execFile)('ldd', [library], {
    env: {
      ...process.env,
      LD_LIBRARY_PATH: [dirname(library), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    },
  }).catch(() => ({ stdout: '' }))
  return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name!)
}
