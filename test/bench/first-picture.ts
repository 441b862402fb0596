/** What one picture costs from start to end, in a home that is new and in one that was used. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { table } from '../../src/terminal/table.ts'
import { type CountSpreads, countCells, countHeads, countSpreads } from './speed/perf.ts'
import { type Spread, spread, told } from './speed/spread.ts'
import { type Timed, timed } from './timed.ts'

const beside = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export interface FirstPictureRow extends CountSpreads {
  what: string
  /** Of all threads and children. */
  cpuSeconds: Spread
  seconds: Spread
}

/**
 * @param options.program the built `bin/run.js`
 * @param options.rounds all rows are measured in turn, so often
 */
export async function timeFirstPicture(options: {
  program: string
  rounds: number
}): Promise<FirstPictureRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-first-picture-'))
  const picture = join(folder, 'picture.jpg')
  const { default: sharp } = await import('sharp')
  await sharp(beside('../../samples/photos/mug.jpg')).resize(1155, 866, { fit: 'cover' }).toFile(picture)
  const cutOut = `node '${options.program}' process --quiet '${picture}' --output '${join(folder, 'cutout.png')}'`
  const model = beside('../../src/model/builtin/silhouette.onnx')
  const steps: [what: string, command: string][] = [
    ['node -e 0', 'node -e 0'],
    ['the picture alone', `node '${beside('picture-alone.mjs')}' '${picture}' '${model}'`],
    ['a new home', cutOut],
    ['a used home', `${cutOut} --force`],
    ['rmbg query', `node '${options.program}' query`],
  ]
  const runs = steps.map((): Timed[] => [])
  try {
    for (let round = 0; round < options.rounds; round++) {
      const home = join(folder, `home-${round}`)
      const env = { PATH: process.env.PATH, HOME: home, RMBG_HOME: home }
      for (const [index, [what, command]] of steps.entries()) {
        const run = await timed(command, { cwd: folder, env })
        if (run.status !== 0) throw new Error(`"${what}" ended with status ${run.status}.`)
        runs[index]?.push(run)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const seconds = (times: number[]) => spread(times.map((ms) => ms / 1000))
  return steps.map(([what], index) => {
    const own = runs[index] ?? []
    return {
      what,
      cpuSeconds: seconds(own.map(({ cpuMs }) => cpuMs)),
      seconds: seconds(own.map(({ elapsedMs }) => elapsedMs)),
      ...countSpreads(own, 1),
    }
  })
}

export const firstPictureTable = (rows: readonly FirstPictureRow[]): string =>
  table(
    ['ONE PICTURE OF 1 MEGAPIXEL', 'CPU SECONDS', 'SECONDS', ...countHeads(rows)],
    rows.map((row) => [row.what, told(row.cpuSeconds), told(row.seconds), ...countCells(rows, row)]),
  )
