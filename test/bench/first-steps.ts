/**
 * `npm run first-steps`: what a newcomer types, from nothing, timed. See test/bench/README.md.
 *
 *   npm run first-steps -- [--repository URL|FOLDER] [--npm-cache FOLDER] [--rounds N] [--picture-only]
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Cell, table } from '../../src/terminal/table.ts'
import { firstPictureTable, timeFirstPicture } from './first-picture.ts'
import { timed } from './timed.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const { values } = parseArgs({
  options: {
    /** What is cloned: as it is committed there. */
    repository: { type: 'string', default: root },
    /** Keeps npm's own cache, as it is where somebody installs often. */
    'npm-cache': { type: 'string' },
    /** How often the first picture is measured. */
    rounds: { type: 'string', default: '5' },
    /** Leaves out the clone: the program is the one that was built here. */
    'picture-only': { type: 'boolean', default: false },
  },
})

const folder = await mkdtemp(join(tmpdir(), 'rmbg-first-steps-'))
const clone = join(folder, 'rmbg-batch')
const rmbg = 'node bin/run.js'
const pictureOnly = values['picture-only']

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
  if (!pictureOnly) console.log(table(['STEP', 'SECONDS', 'CPU SECONDS', 'FIRST OUTPUT'], await takeSteps()))
  const program = join(pictureOnly ? root : clone, 'bin/run.js')
  const pictures = await timeFirstPicture({ program, rounds: Number(values.rounds) })
  console.log(firstPictureTable(pictures))
  console.log(`Node ${process.version}, load at the end ${loadavg()[0]!.toFixed(1)}`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function takeSteps(): Promise<Cell[][]> {
  const rows: Cell[][] = []
  const env = await cleanEnvironment()
  for (const [what, command, cwd = clone] of steps) {
    if (what === 'one more picture') await makePicture(join(clone, 'one.jpg'))
    const { firstOutputMs, elapsedMs, cpuMs, status } = await timed(command, { cwd, env })
    if (status !== 0) throw new Error(`"${command}" ended with status ${status}.`)
    rows.push([what, seconds(elapsedMs), seconds(cpuMs), seconds(firstOutputMs)])
  }
  return rows
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

/** An empty home, and nothing that is set here. */
async function cleanEnvironment(): Promise<NodeJS.ProcessEnv> {
  const home = join(folder, 'home')
  await mkdir(home, { recursive: true })
  const { PATH = '', NODE_EXTRA_CA_CERTS, HTTPS_PROXY } = process.env
  return {
    PATH,
    HOME: home,
    ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }),
    ...(HTTPS_PROXY && { HTTPS_PROXY }),
    ...(values['npm-cache'] && { npm_config_cache: values['npm-cache'] }),
  }
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms / 100) / 10
}
