/** How close `rmbg process` comes to what is possible: inference alone, and the CPU time of what must be done. */
import { availableParallelism } from 'node:os'
import { type CaseOptions, casesOf, type Plan } from './cases.ts'
import { ownProgram, rmbg, rmbgProcess } from './measured.ts'
import type { BenchModel } from './models.ts'
import { type CountSpreads, countSpreads } from './perf.ts'
import { withFolder, withHome } from './place.ts'
import { mean, type Spread, spread } from './spread.ts'

export interface LimitRow extends CountSpreads {
  model: string
  gflop: number
  megapixels: number
  images: number
  /** One `session.run`. */
  bareMs: Spread
  /** One image of many: from the first finished image of a run to its last. */
  steadyMs: Spread
  /** One image, with the program's start and end shared among all. */
  wholeMs: Spread
  /** Bare over end-to-end time, steady: the share of the speed of inference alone. */
  ofBare: Spread
  /** CPU time of one image, steady. */
  cpuMs: Spread
  /** CPU time of decoding, inference and encoding. */
  floorCpuMs: { decode: Spread; inference: Spread; encode: Spread }
  /** Their sum over the cores. */
  floorMs: Spread
  /** End-to-end time over that, steady. */
  ofFloor: Spread
  peakRssMb: Spread
}

type Floor = Record<'decode' | 'inference' | 'encode', number>

/** Twenty to thirty seconds each: in less, compiling and filling the pipeline are a part of what is told as steady. */
const plan: Plan = [
  { megapixels: 1, light: 400, heavy: 50 },
  { megapixels: 12, light: 80, heavy: 30 },
  { megapixels: 24, light: 40, heavy: 20 },
]

export interface LimitOptions extends CaseOptions {
  rounds: number
  flags: readonly string[]
}

export async function timeLimit(options: LimitOptions): Promise<LimitRow[]> {
  const { rounds, flags, tell } = options
  const cases = await casesOf(plan, options)
  return withFolder(async (template) => {
    await rmbg(['migrate'], { env: { RMBG_HOME: template } })
    const rows = cases.map((each) => ({ ...each, rounds: [] as Awaited<ReturnType<typeof round>>[] }))
    // Round by round, so that a busy minute of the machine meets every row.
    for (let index = 0; index < rounds; index++) {
      for (const row of rows) {
        tell(`round ${index + 1} of ${rounds}: ${row.model.name}, ${row.megapixels} megapixels`)
        row.rounds.push(await round(template, row.model, row.files, flags))
      }
    }
    return rows.map(({ model: { name, gflop }, megapixels, files, rounds }) => {
      const of = (figure: (each: (typeof rounds)[number]) => number) => spread(rounds.map(figure))
      return {
        model: name,
        gflop,
        megapixels,
        images: files.length,
        bareMs: of(({ bareMs }) => bareMs),
        steadyMs: of(({ run }) => run.steadyMsPerImage),
        wholeMs: of(({ run }) => run.wallMs / files.length),
        ofBare: of(({ bareMs, run }) => bareMs / run.steadyMsPerImage),
        cpuMs: of(({ run }) => run.steadyCpuMsPerImage),
        floorCpuMs: {
          decode: of(({ floor }) => floor.decode),
          inference: of(({ floor }) => floor.inference),
          encode: of(({ floor }) => floor.encode),
        },
        floorMs: of(({ floor }) => floorOf(floor)),
        ofFloor: of(({ floor, run }) => run.steadyMsPerImage / floorOf(floor)),
        peakRssMb: of(({ run }) => run.peakRssMb),
        ...countSpreads(
          rounds.map(({ run }) => run),
          files.length,
        ),
      }
    })
  })
}

const floorOf = ({ decode, inference, encode }: Floor): number =>
  (decode + inference + encode) / availableParallelism()

/** Inference alone before and after the program, so that both meet the same machine. */
async function round(template: string, model: BenchModel, files: string[], flags: readonly string[]) {
  const threads = String(availableParallelism())
  const of = [model.file, String(model.size), threads]
  const bare = async () =>
    mean(await ownProgram<number[]>('bare.ts', [...of, model.name === 'light' ? '100' : '8']))
  const before = await bare()
  const run = await withHome(template, (home) =>
    rmbgProcess(['--model', model.file, ...flags, ...files], { env: { RMBG_HOME: home } }),
  )
  const bareMs = mean([before, await bare()])
  const floor = await ownProgram<Floor>('floor.ts', [...of, ...files.slice(0, 12)])
  return { bareMs, run, floor }
}
