import { exec } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { RmbgError } from '../../errors.ts'
import { platformPackage, runtimeVersion, upstreamIntegrity, upstreamPackage } from './packages.ts'

/**
 * The person's npm knows their registry, proxy, certificates and password, so npm does it. No argument needs quoting:
 * on Windows, npm is a script that only a shell starts. Flags win over what `npx` and `npm run` leave in the environment.
 */
const npmInstall = [
  'npm install --prefix=. --no-global --no-workspaces --no-dry-run --ignore-scripts --install-strategy=hoisted',
  '--package-lock --no-audit --no-fund --no-update-notifier --loglevel=error --save-exact',
  `${upstreamPackage}@${runtimeVersion}`,
].join(' ')

/** No npm takes longer: an unfinished folder of this age was left by a killed process. */
const unfinishedMs = 24 * 60 * 60 * 1000

/**
 * Lets npm install onnxruntime-node into a folder of its own, without its install script, and keeps one platform of it.
 * Others see the folder complete or not at all. Several processes may do this at once.
 *
 * @param folder gets `node_modules`
 * @throws RmbgError RUNTIME_UNAVAILABLE
 */
export async function fetchRuntime(folder: string, platform: string): Promise<void> {
  let unfinished: string | undefined
  try {
    await mkdir(dirname(folder), { recursive: true })
    await removeAbandoned(folder)
    unfinished = await mkdtemp(`${folder}.`)
    await writeFile(join(unfinished, 'package.json'), '{ "private": true }\n')
    await promisify(exec)(npmInstall, { cwd: unfinished, windowsHide: true })
    await assertIntegrity(unfinished)
    await keepOnly(platform, join(unfinished, 'node_modules', upstreamPackage))
    await moveInto(folder, unfinished)
  } catch (cause) {
    throw unavailable(platform, cause as Error & { stderr?: string })
  } finally {
    if (unfinished !== undefined) await rm(unfinished, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(`${basename(folder)}.`)) continue
    const path = join(dirname(folder), name)
    const { mtimeMs } = await stat(path)
    if (mtimeMs < Date.now() - unfinishedMs) await rm(path, { recursive: true, force: true })
  }
}

/** npm compares a tarball with what its registry says. This compares it with what we know. */
async function assertIntegrity(folder: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8'))
  const { integrity } = lock.packages[`node_modules/${upstreamPackage}`]
  if (integrity !== upstreamIntegrity) throw new Error(`its digest is ${integrity}, not ${upstreamIntegrity}`)
}

async function keepOnly(platform: string, packageFolder: string): Promise<void> {
  const binaries = join(packageFolder, 'bin/napi-v6')
  for (const system of await readdir(binaries)) {
    for (const cpu of await readdir(join(binaries, system)))
      if (`${system}-${cpu}` !== platform) await rm(join(binaries, system, cpu), { recursive: true })
  }
}

async function moveInto(folder: string, unfinished: string): Promise<void> {
  try {
    await rename(unfinished, folder)
  } catch (cause) {
    // Another process was faster.
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    await stat(join(folder, 'node_modules', upstreamPackage))
  }
}

function unavailable(platform: string, cause: Error & { stderr?: string }): RmbgError {
  return new RmbgError(
    'RUNTIME_UNAVAILABLE',
    `ONNX Runtime for ${platform} is not installed and could not be fetched: ${reasonOf(cause)}.`,
    { hint: `Install rmbg-batch with its optional dependency ${platformPackage(platform)}.`, cause },
  )
}

/** npm writes a code and then sentences, all behind `npm error`. */
function reasonOf({ message, stderr = '' }: Error & { stderr?: string }): string {
  const lines = stderr.split('\n').map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim())
  const said = lines.find((line) => line !== '' && !/^(code|errno|syscall|type|path) /.test(line))
  return (said ?? message).split('\n')[0]!.replace(/\.$/, '')
}
