/**
 * `npm run first-steps`: what a newcomer types, from nothing, timed. See test/bench/README.md.
 *
 *   npm run first-steps -- [--repository URL|FOLDER] [--npm-cache FOLDER]
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Cell, table } from '../../src/terminal/table.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const { values } = parseArgs({
  options: {
    /** What is cloned: as it is committed there. */
    repository: { type: 'string', default: root },
    /** Keeps npm's own cache, as it is where somebody installs often. */
    'npm-cache': { type: 'string' },
  },
})

const folder = await mkdtemp(join(tmpdir(), 'rmbg-first-steps-'))
const clone = join(folder, 'rmbg-batch')
const rmbg = 'node bin/run.js'

/** In order; the README's own line is cut at its `&&`. */
const steps: [what: string, command: string, cwd?: string][] = [
  ['clone', `git clone --quiet '${values.repository}' rmbg-batch`, folder],
  ...(await readmeLine()).split(' && ').map((command): [string, string] => [command, command]),
  ['the same again: all is done', `${rmbg} process samples/photos --output cutouts`],
  ['one more picture', `${rmbg} process one.jpg --output cutouts`],
  ['--help', `${rmbg} --help`],
  ['process --help', `${rmbg} process --help`],
  ['--version', `${rmbg} --version`],
]

try {
  const rows: Cell[][] = []
  for (const [what, command, cwd = clone] of steps) {
    if (what === 'one more picture') await makePicture(join(clone, 'one.jpg'))
    const { firstOutputMs, elapsedMs, cpuMs, status } = await timed(command, cwd)
    if (status !== 0) throw new Error(`"${command}" ended with status ${status}.`)
    rows.push([what, seconds(elapsedMs), seconds(cpuMs), seconds(firstOutputMs)])
  }
  console.log(table(['STEP', 'SECONDS', 'CPU SECONDS', 'FIRST OUTPUT'], rows))
  console.log(`Node ${process.version}, load at the end ${loadavg()[0]!.toFixed(1)}`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function readmeLine(): Promise<string> {
  const line = /^npm ci && npm run build && .*$/m.exec(await readFile(join(root, 'README.md'), 'utf8'))?.[0]
  if (line === undefined) throw new Error('README.md does not begin with "npm ci && npm run build && …".')
  return line
}

/** A photograph's size, and not one of the samples. */
async function makePicture(file: string): Promise<void> {
  const { default: sharp } = await import('sharp')
  await sharp(join(root, 'samples/photos/mug.jpg')).resize(3000).modulate({ hue: 90 }).toFile(file)
}

interface Timed {
  status: number | null
  elapsedMs: number
  /** Of the command and all its children. */
  cpuMs: number
  /** Undefined when nothing was printed. */
  firstOutputMs: number | undefined
}

/** In an environment of its own: an empty home, and nothing that is set here. */
async function timed(command: string, cwd: string): Promise<Timed> {
  const home = join(folder, 'home')
  await mkdir(home, { recursive: true })
  const { PATH = '', NODE_EXTRA_CA_CERTS, HTTPS_PROXY } = process.env
  const env = {
    PATH,
    HOME: home,
    ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }),
    ...(HTTPS_PROXY && { HTTPS_PROXY }),
    ...(values['npm-cache'] && { npm_config_cache: values['npm-cache'] }),
  }
  const startedAt = performance.now()
  // `times` prints what the shell used, and then what its children used.
  const child = spawn('bash', ['-c', `${command}; status=$?; times >&3; exit $status`], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let firstOutputMs: number | undefined
  const printed = () => {
    firstOutputMs ??= performance.now() - startedAt
  }
  child.stdout!.on('data', printed)
  child.stderr!.on('data', (text) => {
    printed()
    process.stderr.write(text)
  })
  let times = ''
  child.stdio[3]!.on('data', (text: Buffer) => {
    times += text.toString()
  })
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { status, elapsedMs: performance.now() - startedAt, cpuMs: cpuMsOf(times), firstOutputMs }
}

function cpuMsOf(times: string): number {
  return [...times.matchAll(/(\d+)m([\d.,]+)s/g)].reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60_000 + Number(rest!.replace(',', '.')) * 1000,
    0,
  )
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms / 100) / 10
}
