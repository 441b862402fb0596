/** npm itself, run as a person would: so registry, proxy, certificates and tokens are those of their own settings. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { RmbgError } from '../../errors.ts'

export interface NpmProgram {
  command: string
  /** Before npm's own arguments. */
  args: readonly string[]
  /** It is a script for cmd.exe. */
  isScript: boolean
}

export interface Surroundings {
  env: NodeJS.ProcessEnv
  /** Path of Node. */
  node: string
  platform: NodeJS.Platform
}

/**
 * Finds npm: beside this Node, or on PATH.
 *
 * @returns undefined where there is none, as in many containers
 */
export function findNpm(
  { env, node, platform }: Surroundings = {
    env: process.env,
    node: process.execPath,
    platform: process.platform,
  },
): NpmProgram | undefined {
  const isWindows = platform === 'win32'
  // Windows keeps it beside node.exe, others below ../lib. A link to Node may stand alone in its folder.
  const besideNode = ['node_modules', '../lib/node_modules'].map((folder) =>
    scriptIn(join(dirname(node), folder)),
  )
  const path = Object.entries(env).find(([name]) => name.toUpperCase() === 'PATH')?.[1] ?? ''
  const folders = path.split(delimiter).filter((folder) => folder !== '')
  const script = besideNode.find(existsSync)
  if (script !== undefined) return { command: node, args: [script], isScript: false }
  for (const folder of folders) {
    const command = join(folder, isWindows ? 'npm.cmd' : 'npm')
    if (!existsSync(command)) continue
    // Node starts no .cmd without a shell; what the script would start needs none.
    const behind = scriptIn(join(folder, 'node_modules'))
    if (isWindows && existsSync(behind)) return { command: node, args: [behind], isScript: false }
    return { command, args: [], isScript: isWindows }
  }
  return undefined
}

const scriptIn = (modules: string): string => join(modules, 'npm', 'bin', 'npm-cli.js')

export interface PackOptions {
  /** Exists, is empty and gets what npm writes, its cache included. */
  folder: string
  signal?: AbortSignal | undefined
  /** Told how many bytes have come, now and then. */
  onProgress?: ((received: number) => void) | undefined
  find?: typeof findNpm
}

/** What a cmd.exe would not take for more than it is, so nothing has to be quoted. */
const plainArgument = /^[\w@./:=-]+$/

const lookEveryMs = 250

/**
 * Fetches the packed form of a package from the registry that npm is set to, which compares its digest with the one that
 * the registry states. None of its scripts is run.
 *
 * @param spec such as `@imgly/background-removal-data@1.4.5`
 * @returns path of the .tgz in `folder`
 * @throws RmbgError MODEL_DOWNLOAD in npm's words, MODEL_DAMAGED when the digest is wrong; the signal's reason
 */
export async function packFromNpm(spec: string, options: PackOptions): Promise<string> {
  const { folder, signal, onProgress, find = findNpm } = options
  const npm = find()
  if (!npm) {
    throw new RmbgError(
      'MODEL_DOWNLOAD',
      'npm is needed for this model, and it is neither beside Node nor on PATH.',
      {
        hint: 'Install npm, or fetch the file elsewhere and give it to --from.',
      },
    )
  }
  // The nearest folder with a package.json decides whose .npmrc counts: it must not be one that came with pictures.
  await writeFile(join(folder, 'package.json'), '{}')
  const cache = join(folder, 'cache')
  await mkdir(cache)
  const watching = setInterval(() => {
    bytesBelow(cache).then(onProgress, () => {})
  }, lookEveryMs)
  try {
    const args = [
      'pack',
      spec,
      '--json',
      '--ignore-scripts',
      '--pack-destination=.',
      '--cache=cache',
      '--loglevel=error',
    ]
    const ended = await run(npm, args, { folder, signal })
    if (ended.status !== 0) throw refusalOf(ended, spec)
  } finally {
    clearInterval(watching)
  }
  const packed = (await readdir(folder)).find((name) => name.endsWith('.tgz'))
  if (packed === undefined) throw new RmbgError('MODEL_DOWNLOAD', `npm did not write the package ${spec}.`)
  return join(folder, packed)
}

/**
 * Asks npm whether its registry has a package.
 *
 * @returns undefined when it has; otherwise why not, as a clause
 */
export async function npmOffers(
  spec: string,
  { signal, find = findNpm }: Pick<PackOptions, 'signal' | 'find'> = {},
): Promise<string | undefined> {
  const npm = find()
  if (!npm) return 'npm is neither beside Node nor on PATH'
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-npm-'))
  try {
    await writeFile(join(folder, 'package.json'), '{}')
    const args = ['view', spec, 'version', '--json', '--cache=cache', '--fetch-retries=0', '--loglevel=error']
    const ended = await run(npm, args, { folder, signal })
    return ended.status === 0 ? undefined : refusalOf(ended, spec).message.replace(/\.$/, '')
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

/** More of what npm says is of no use. */
const mostText = 2 ** 20

function run(
  { command, args, isScript }: NpmProgram,
  ours: readonly string[],
  { folder, signal }: Pick<PackOptions, 'folder' | 'signal'>,
): Promise<Ended> {
  if (isScript && !ours.every((argument) => plainArgument.test(argument))) {
    throw new RangeError('Expected arguments that need no quotes')
  }
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const child = spawn(isScript ? `"${command}"` : command, [...args, ...ours], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: isScript,
      windowsHide: true,
      signal,
    })
    const text = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (chunk: string) => {
        if (text[stream].length < mostText) text[stream] += chunk
      })
    }
    let failure: Error | undefined
    child.on('error', (cause) => {
      failure = signal?.aborted
        ? (signal.reason as Error)
        : new RmbgError('MODEL_DOWNLOAD', `npm cannot be started: ${cause.message}.`, { cause })
      // Not started at all: then it never closes.
      if (child.pid === undefined) reject(failure)
    })
    // When it has ended, so that it writes nothing more.
    child.on('close', (status) => (failure ? reject(failure) : resolve({ status, ...text })))
  })
}

const networkCodes =
  /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR)$/

function refusalOf({ stdout, stderr }: Ended, spec: string): RmbgError {
  const { code, summary } = complaintOf(stdout, stderr)
  const said = summary === '' ? '' : `: ${summary.replace(/\.$/, '')}`
  if (code === 'EINTEGRITY') {
    return new RmbgError('MODEL_DAMAGED', `The package ${spec} is not what its registry states${said}.`, {
      hint: 'Nothing was kept. Try again. If it happens again, the package was changed on its way.',
    })
  }
  if (networkCodes.test(code)) {
    return new RmbgError('MODEL_DOWNLOAD', `npm cannot reach its registry (${code})${said}.`, {
      hint: "Check the network, and npm's settings: npm config get registry, npm config get proxy.",
    })
  }
  if (code === 'E401' || code === 'E403' || code === 'ENEEDAUTH') {
    return new RmbgError('MODEL_DOWNLOAD', `npm's registry refuses the package ${spec} (${code})${said}.`, {
      hint: 'Log in to it (npm login), or ask those who run it to let this package through.',
    })
  }
  return new RmbgError('MODEL_DOWNLOAD', `npm cannot fetch the package ${spec} (${code})${said}.`, {
    hint: `See what it says by itself: npm view ${spec}`,
  })
}

/** npm writes an error as JSON to stdout; before it knows that it should, as lines to stderr. */
function complaintOf(stdout: string, stderr: string): { code: string; summary: string } {
  try {
    const { error } = JSON.parse(stdout) as { error: { code?: string; summary?: string } }
    return { code: error.code ?? 'unknown', summary: lineOf(error.summary ?? '') }
  } catch {
    const [, code = 'unknown'] = /^npm (?:error|ERR!) code (\S+)$/m.exec(stderr) ?? []
    const lines = [...stderr.matchAll(/^npm (?:error|ERR!) (?!code |errno |syscall )(?:\S*\d{3} )?(.+)$/gm)]
    return { code, summary: lineOf(lines[0]?.[1] ?? stderr) }
  }
}

/** One line, without a password in a URL. */
const lineOf = (text: string): string =>
  (text.trim().split('\n')[0] ?? '').replace(/\/\/[^/@\s]+@/g, '//').slice(0, 300)

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  // A file may be renamed in between.
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      stat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
