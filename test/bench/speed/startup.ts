/** How long the program takes to say something, next to Node doing nothing. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { program } from '../../support/cli.ts'
import { type Finished, type MeasureOptions, measure, rmbg } from './measured.ts'
import { type CountSpreads, countSpreads } from './perf.ts'
import { pictures } from './pictures.ts'
import { withFolder } from './place.ts'
import { type Spread, spread } from './spread.ts'

export interface StartupRow extends CountSpreads {
  what: string
  ms: Spread
  /** Of one more run, in which it was counted. */
  cpuMs: number
  peakRssMb: number
  /** JavaScript and JSON files opened; absent without strace. */
  filesLoaded: number | undefined
}

interface Case {
  what: string
  args: string[]
  /** What counts: the end, or the first line of this kind. */
  until?: (line: string) => boolean
}

const firstImage = (line: string) => line.includes('"status":"completed"')

export async function timeStartup(rounds: number, tell: (line: string) => void): Promise<StartupRow[]> {
  return withFolder(async (home) => {
    const [picture] = await pictures(1, 1)
    // A home that was used before: an embedded database, and one image in it.
    await rmbg(['process', picture!, '--model', 'backdrop'], { env: { RMBG_HOME: home } })
    const process = (model: string) => [program, 'process', picture!, '--model', model, '--force', '--json']
    const cases: Case[] = [
      { what: 'node -e 0', args: ['-e', '0'] },
      { what: 'rmbg --version', args: [program, '--version'] },
      { what: 'rmbg --help', args: [program, '--help'] },
      { what: 'rmbg process --help', args: [program, 'process', '--help'] },
      { what: 'rmbg query', args: [program, 'query'] },
      { what: 'first image, backdrop', args: process('backdrop'), until: firstImage },
      { what: 'first image, silhouette', args: process('silhouette'), until: firstImage },
      { what: 'one image to the end, silhouette', args: process('silhouette') },
    ]
    const env = { RMBG_HOME: home }
    const runs = cases.map((each) => ({ ...each, finished: [] as Finished[] }))
    for (let round = 0; round <= rounds; round++) {
      tell(round === 0 ? 'warming up' : `round ${round} of ${rounds}`)
      for (const each of runs) {
        const finished = await run(each.args, { env, plain: true })
        if (round > 0) each.finished.push(finished)
      }
    }
    const rows: StartupRow[] = []
    for (const { what, args, until, finished } of runs) {
      const msOf = ({ lines, wallMs }: Finished) =>
        until ? lines.find(({ text }) => until(text))!.atMs : wallMs
      const counted = await run(args, { env })
      const { cpuMs, peakRssMb } = counted
      rows.push({
        what,
        ms: spread(finished.map(msOf)),
        cpuMs,
        peakRssMb,
        ...countSpreads([counted], 1),
        filesLoaded: await filesLoaded(args, env),
      })
    }
    return rows
  })
}

async function run(args: string[], options: MeasureOptions): Promise<Finished> {
  const finished = await measure(args, options)
  if (finished.status !== 0)
    throw new Error(`${args.join(' ')} ended with ${finished.status}: ${finished.stderr}`)
  return finished
}

async function filesLoaded(args: string[], env: Record<string, string>): Promise<number | undefined> {
  return withFolder(async (folder) => {
    const trace = join(folder, 'trace')
    const under = ['strace', '-f', '-qq', '-e', 'trace=open,openat', '-o', trace]
    const finished = await measure(args, { env, under, plain: true }).catch(() => undefined)
    if (finished?.status !== 0) return undefined
    const opened = (await readFile(trace, 'utf8')).matchAll(/"([^"]+\.(?:js|mjs|cjs|json))", [^)]*\) = \d/g)
    return new Set([...opened].map(([, file]) => file)).size
  })
}
