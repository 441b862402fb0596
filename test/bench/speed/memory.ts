/** Memory of long runs: flat after warm-up, and within what was asked for. */

import { program } from '../../support/cli.ts'
import { measure, rmbgProcess, rssMbOf } from './measured.ts'
import { lightModel } from './models.ts'
import { type PictureSize, pictures } from './pictures.ts'
import { withFolder } from './place.ts'

export interface MemoryRow {
  megapixels: number
  images: number
  /** As given; undefined for the default. */
  maxMemory: string | undefined
  budgetMb: number
  /** Peak of a run over pictures of 64x64 pixels: everything but images. */
  baseMb: number
  /** Every 50 finished images; the first is the first. */
  rss: { images: number; rssMb: number }[]
  /** Growth per 1,000 images after the first quarter, by least squares through `rss`. */
  growthMb: number
  peakMb: number
  msPerImage: number
}

export interface LargeRow {
  megapixels: number
  maxMemory: string | undefined
  budgetMb: number
  /** The error's code and sentence for what was refused. */
  outcome: string
  seconds: number
  peakMb: number
}

export interface MemoryOptions {
  quick: boolean
  tell: (line: string) => void
}

const plan: {
  megapixels: PictureSize & number
  images: number
  quick: number
  budgets: (string | undefined)[]
}[] = [
  { megapixels: 1, images: 2000, quick: 200, budgets: [undefined, '128MB'] },
  { megapixels: 24, images: 200, quick: 20, budgets: [undefined, '512MB'] },
]

export async function measureMemory({ quick, tell }: MemoryOptions): Promise<MemoryRow[]> {
  const model = await lightModel()
  const rows: MemoryRow[] = []
  const baseMb = await withFolder(async (home) => {
    const tiny = await pictures('tiny', 50)
    return (await rmbgProcess(['--model', model.file, ...tiny], { env: { RMBG_HOME: home } })).peakRssMb
  })
  for (const { megapixels, budgets, ...counts } of plan) {
    const files = await pictures(megapixels, quick ? counts.quick : counts.images)
    for (const maxMemory of budgets) {
      tell(`${files.length} images of ${megapixels} megapixels, ${maxMemory ?? 'default'} budget`)
      rows.push({ ...(await run(model.file, megapixels, files, maxMemory, quick ? 10 : 50)), baseMb })
    }
  }
  return rows
}

function run(
  model: string,
  megapixels: number,
  files: string[],
  maxMemory: string | undefined,
  every: number,
) {
  return withFolder(async (home): Promise<Omit<MemoryRow, 'baseMb'>> => {
    const rss: MemoryRow['rss'] = []
    let [images, budgetMb] = [0, 0]
    const budget = maxMemory === undefined ? [] : ['--max-memory', maxMemory]
    const { steadyMsPerImage, peakRssMb } = await rmbgProcess(['--model', model, ...budget, ...files], {
      env: { RMBG_HOME: home },
      onEvent: (event, pid) => {
        if (event.type === 'start') budgetMb = event.maxMemoryBytes / 2 ** 20
        if (event.type !== 'image') return
        images++
        if (images > 1 && images % every !== 0) return
        rss.push({ images, rssMb: rssMbOf(pid) })
      },
    })
    return {
      ...{ megapixels, images, maxMemory, budgetMb, rss },
      growthMb: slope(rss.filter((sample) => sample.images >= images / 4)) * 1000,
      ...{ peakMb: peakRssMb, msPerImage: steadyMsPerImage },
    }
  })
}

/** MB an image, of the straight line that fits best. */
function slope(samples: MemoryRow['rss']): number {
  const count = samples.length
  const meanImages = samples.reduce((sum, { images }) => sum + images, 0) / count
  const meanRss = samples.reduce((sum, { rssMb }) => sum + rssMb, 0) / count
  let [products, squares] = [0, 0]
  for (const { images, rssMb } of samples) {
    products += (images - meanImages) * (rssMb - meanRss)
    squares += (images - meanImages) ** 2
  }
  return products / squares
}

/** One picture that is too large for a small budget, and not for the default one of a usual machine. */
export async function measureLarge(tell: (line: string) => void): Promise<LargeRow[]> {
  const model = await lightModel()
  const [file] = await pictures(200, 1)
  const rows: LargeRow[] = []
  for (const maxMemory of [undefined, '1GB']) {
    tell(`one image of 200 megapixels, ${maxMemory ?? 'default'} budget`)
    rows.push(
      await withFolder(async (home) => {
        const budget = maxMemory === undefined ? [] : ['--max-memory', maxMemory]
        const args = [program, 'process', '--json', '--model', model.file, ...budget, file!]
        const { lines, wallMs, peakRssMb } = await measure(args, { env: { RMBG_HOME: home } })
        const events = lines.map(({ text }) => JSON.parse(text))
        const image = events.find(({ type }) => type === 'image')
        return {
          megapixels: 200,
          maxMemory,
          budgetMb: events.find(({ type }) => type === 'start').maxMemoryBytes / 2 ** 20,
          outcome: image.status === 'completed' ? 'completed' : `${image.code}: ${image.message}`,
          seconds: wallMs / 1000,
          peakMb: peakRssMb,
        }
      }),
    )
  }
  return rows
}
