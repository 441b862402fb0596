/** Memory of long runs: flat after warm-up, and within what was asked for. */
import { program } from '../../support/cli.ts'
import { freshDatabase, postgresUrl } from '../../support/servers.ts'
import { measure, rmbg, rmbgProcess, rssMbOf } from './measured.ts'
import { lightModel } from './models.ts'
import { megapixelsOf, type PictureSize, photosIn, pictures } from './pictures.ts'
import { withFolder, withHome } from './place.ts'

export interface MemoryRow {
  megapixels: number
  images: number
  /** As given; undefined for the default. */
  maxMemory: string | undefined
  budgetMb: number
  /** Peak of a run over pictures of 64x64 pixels: everything but images. */
  baseMb: number
  /** At the first finished image, and forty times from there. */
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
  /** Folder of photographs that are taken in place of made ones, as many as there are. */
  photos: string | undefined
  tell: (line: string) => void
}

const plan: {
  megapixels: PictureSize & number
  images: number
  quick: number
  budget: string | undefined
}[] = [
  { megapixels: 1, images: 2000, quick: 200, budget: undefined },
  { megapixels: 1, images: 600, quick: 100, budget: '128MB' },
  { megapixels: 24, images: 120, quick: 12, budget: undefined },
  { megapixels: 24, images: 120, quick: 12, budget: '512MB' },
]
/** Images of the run with a server. */
const onServer = { images: 400, quick: 100 }

export function measureMemory({ quick, photos, tell }: MemoryOptions): Promise<MemoryRow[]> {
  return withTemplate(async (template) => {
    const model = await lightModel()
    const tiny = await pictures('tiny', 50)
    const { peakRssMb: baseMb } = await withHome(template, (home) =>
      rmbgProcess(['--model', model.file, ...tiny], { env: { RMBG_HOME: home } }),
    )
    const rows: MemoryRow[] = []
    for (const { megapixels, files, budget: maxMemory } of await setsOf({ quick, photos })) {
      tell(`${files.length} images of ${megapixels} megapixels, ${maxMemory ?? 'default'} budget`)
      const args = ['--model', model.file, ...budgetFlag(maxMemory), ...files]
      const every = Math.max(Math.floor(files.length / 40), 1)
      const figures = await withHome(template, (home) => watch(args, home, every))
      rows.push({ megapixels, images: files.length, maxMemory, baseMb, ...figures })
    }
    return rows
  })
}

async function setsOf({ quick, photos }: Pick<MemoryOptions, 'quick' | 'photos'>) {
  if (photos !== undefined) {
    const files = await photosIn(photos)
    return [{ megapixels: await megapixelsOf(files), files, budget: undefined }]
  }
  const sets: { megapixels: number; files: string[]; budget: string | undefined }[] = []
  for (const { megapixels, budget, ...counts } of plan) {
    sets.push({ megapixels, budget, files: await pictures(megapixels, quick ? counts.quick : counts.images) })
  }
  return sets
}

/** The log in PostgreSQL, so that its memory is not the program's. */
export interface OnServerRow {
  megapixels: number
  images: number
  peakMb: number
}

/** @returns undefined where RMBG_TEST_DATABASE_URL names no server */
export async function measureOnServer({ quick, tell }: MemoryOptions): Promise<OnServerRow | undefined> {
  if (!postgresUrl) return undefined
  const model = await lightModel()
  const files = await pictures(1, quick ? onServer.quick : onServer.images)
  tell(`${files.length} images of 1 megapixel, with a server`)
  return withFolder(async (home) => {
    const server = await freshDatabase()
    try {
      const env = { RMBG_HOME: home, DATABASE_URL: server.url }
      await rmbg(['migrate'], { env })
      const { peakRssMb } = await rmbgProcess(['--model', model.file, ...files], { env })
      return { megapixels: 1, images: files.length, peakMb: peakRssMb }
    } finally {
      await server.drop()
    }
  })
}

/** A home whose embedded database is there already: making one takes more memory than most runs. */
const withTemplate = <T>(use: (template: string) => Promise<T>): Promise<T> =>
  withFolder(async (template) => {
    await rmbg(['migrate'], { env: { RMBG_HOME: template } })
    return use(template)
  })

const budgetFlag = (maxMemory: string | undefined): string[] =>
  maxMemory === undefined ? [] : ['--max-memory', maxMemory]

async function watch(args: string[], home: string, every: number) {
  const rss: MemoryRow['rss'] = []
  let [images, budgetMb] = [0, 0]
  const { steadyMsPerImage, peakRssMb } = await rmbgProcess(args, {
    env: { RMBG_HOME: home },
    onEvent: (event, pid) => {
      if (event.type === 'start') budgetMb = event.maxMemoryBytes / 2 ** 20
      if (event.type !== 'image') return
      images++
      if (images === 1 || images % every === 0) rss.push({ images, rssMb: rssMbOf(pid) })
    },
  })
  const growthMb = slope(rss.filter((sample) => sample.images >= images / 4)) * 1000
  return { budgetMb, rss, growthMb, peakMb: peakRssMb, msPerImage: steadyMsPerImage }
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
export function measureLarge(tell: (line: string) => void): Promise<LargeRow[]> {
  return withTemplate(async (template) => {
    const model = await lightModel()
    const [file] = await pictures(200, 1)
    const rows: LargeRow[] = []
    for (const maxMemory of [undefined, '1GB']) {
      tell(`one image of 200 megapixels, ${maxMemory ?? 'default'} budget`)
      const args = [program, 'process', '--json', '--model', model.file, ...budgetFlag(maxMemory), file!]
      const { lines, wallMs, peakRssMb } = await withHome(template, (home) =>
        measure(args, { env: { RMBG_HOME: home } }),
      )
      const events = lines.map(({ text }) => JSON.parse(text))
      const image = events.find(({ type }) => type === 'image')
      rows.push({
        megapixels: 200,
        maxMemory,
        budgetMb: events.find(({ type }) => type === 'start').maxMemoryBytes / 2 ** 20,
        outcome: image.status === 'completed' ? 'completed' : `${image.code}: ${image.message}`,
        seconds: wallMs / 1000,
        peakMb: peakRssMb,
      })
    }
    return rows
  })
}
