/** `rmbg process` against the background-removal pipeline of @huggingface/transformers, on the same ONNX file. */
import { cp, mkdir, readFile, stat, symlink } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import sharp from 'sharp'
import { freshDatabase, postgresUrl } from '../../support/servers.ts'
import { type Case, type CaseOptions, casesOf, type Plan } from './cases.ts'
import { ownProgram, rmbg, rmbgProcess } from './measured.ts'
import { type BenchModel, normalisation } from './models.ts'
import { figuresOf, type PeerFigures, type PeerRun, runOurs, runPeer } from './peer-figures.ts'
import { benchFolder, save, withFolder, withHome } from './place.ts'
import { sharpPng } from './sharp-png.ts'
import { mean, type Spread, spread } from './spread.ts'

export interface TransformersRow {
  model: string
  megapixels: number
  images: number
  /** Cut-outs alike: `--no-refine --keep-hidden-color`; three objects and a row an image, where the peer writes one file. */
  ours: PeerFigures
  /** Like `ours`, with `--concurrency 1`. */
  oursOneAtATime?: PeerFigures
  /** The same as it comes: colours of soft edges corrected, hidden colour cleared. */
  oursByDefault: PeerFigures
  /** Like `ours`, with PostgreSQL instead of the embedded database, which is half of the memory; absent without a server. */
  oursOnServer?: PeerFigures
  /** One image after the other, as its documentation has it. */
  peer: PeerFigures
  /** As many images at once as we take: decoding and encoding beside inference. */
  peerAtOnce: PeerFigures
  /** Peer's time over ours, steady. */
  faster: Spread
  /** The same, with the peer at its best. */
  fasterThanAtOnce: Spread
  /** One `session.run`: inference alone, and thus the least that any pipeline can take. */
  bareMs?: Spread
  /** Worst of the pictures compared. */
  difference: Difference
  /** Of one cut-out, a mean of those compared. */
  cutoutBytes?: { ours: number; peer: number }
}

/** Levels are of 255. */
interface Difference {
  alphaMean: number
  alphaMost: number
  /** Share of pixels whose alpha differs by more than 32. */
  alphaOff: number
  colourMean: number
}

/**
 * What cut-outs may differ by. The peer shrinks pictures without the filter that models are trained with, rounds the
 * matte to 8 bits before it enlarges it, and enlarges it by half a pixel of the model's off its place.
 */
const tolerance: Difference = { alphaMean: 1, alphaMost: 64, alphaOff: 0.001, colourMean: 0.01 }

const plan: Plan = [
  { megapixels: 1, light: 50, heavy: 12 },
  { megapixels: 12, light: 12, heavy: 10 },
  { megapixels: 24, light: 8, heavy: 8 },
]
const compared = 3

const packageFolder = fileURLToPath(new URL('peer-transformers/', import.meta.url))
const installed = join(benchFolder, 'peer-transformers')
const program = join(installed, 'run.mjs')

export interface TransformersOptions extends CaseOptions {
  rounds: number
}

export async function timeTransformers(options: TransformersOptions): Promise<TransformersRow[]> {
  const { rounds, tell } = options
  await installPeer(tell)
  return withFolder(async (folder) => {
    const home = join(folder, 'home')
    await rmbg(['migrate'], { env: { RMBG_HOME: home } })
    const chosen = await casesOf(plan, options)
    for (const model of new Set(chosen.map((each) => each.model))) await describeForPeer(folder, model)
    const cases: (Case & Comparison)[] = []
    for (const each of chosen) {
      tell(`comparing cut-outs: ${each.model.name}, ${each.megapixels} megapixels`)
      const comparison = await compare(folder, home, each.model, each.files.slice(0, compared))
      // A photograph may have what the peer reads otherwise, such as a profile: there it is told, and no more.
      if (options.photos === undefined) assertAlike(each.model.name, comparison.difference)
      cases.push({ ...each, ...comparison })
    }
    const rows = cases.map((each) => ({ ...each, rounds: [] as Round[] }))
    for (let index = 0; index < rounds; index++) {
      for (const row of rows) {
        tell(`round ${index + 1} of ${rounds}: ${row.model.name}, ${row.megapixels} megapixels`)
        row.rounds.push(await round(folder, home, row.model, row.files))
      }
    }
    return rows.map(({ model, megapixels: size, files, difference, cutoutBytes, rounds: measured }) => {
      const of = (which: Which | 'oursOnServer') =>
        figuresOf(
          measured.flatMap((each) => each[which] ?? []),
          files.length,
        )
      const faster = (which: 'peer' | 'peerAtOnce') =>
        spread(measured.map((each) => each[which].steadyMsPerImage / each.ours.steadyMsPerImage))
      return {
        model: model.name,
        megapixels: size,
        images: files.length,
        ours: of('ours'),
        oursOneAtATime: of('oursOneAtATime'),
        oursByDefault: of('oursByDefault'),
        ...(postgresUrl && { oursOnServer: of('oursOnServer') }),
        peer: of('peer'),
        peerAtOnce: of('peerAtOnce'),
        faster: faster('peer'),
        fasterThanAtOnce: faster('peerAtOnce'),
        bareMs: spread(measured.map(({ bareMs }) => bareMs)),
        difference,
        cutoutBytes,
      }
    })
  })
}

type Which = 'ours' | 'oursOneAtATime' | 'oursByDefault' | 'peer' | 'peerAtOnce'
type Round = Record<Which, PeerRun> & { oursOnServer?: PeerRun; bareMs: number }

/** In the bench folder, as its lock file has it. */
async function installPeer(tell: TransformersOptions['tell']): Promise<void> {
  await mkdir(installed, { recursive: true })
  await cp(join(packageFolder, 'run.mjs'), program)
  const lock = await readFile(join(packageFolder, 'package-lock.json'), 'utf8')
  const done = join(installed, 'installed-lock.json')
  if ((await readFile(done, 'utf8').catch(() => '')) === lock) return
  tell(`installing @huggingface/transformers in ${installed}`)
  for (const name of ['package.json', 'package-lock.json'])
    await cp(join(packageFolder, name), join(installed, name))
  await execa('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: installed })
  await save(done, lock)
}

const alike = ['--no-refine', '--keep-hidden-color']

async function round(folder: string, home: string, model: BenchModel, files: string[]): Promise<Round> {
  const ours = (flags: readonly string[], env: Record<string, string> = {}) =>
    withHome(home, (copy) =>
      runOurs(files, ['--model', model.file, ...flags], { env: { RMBG_HOME: copy, ...env } }),
    )
  const onServer = async () => {
    const { url, drop } = await freshDatabase()
    const env = { DATABASE_URL: url }
    try {
      await rmbg(['migrate'], { env })
      return await ours(alike, env)
    } finally {
      await drop()
    }
  }
  const [threads, runs] = [String(availableParallelism()), model.name === 'light' ? '60' : '5']
  return {
    bareMs: mean(await ownProgram<number[]>('bare.ts', [model.file, String(model.size), threads, runs])),
    peer: await peer(folder, model, files, 1),
    ours: await ours(alike),
    peerAtOnce: await peer(folder, model, files, availableParallelism() + 1),
    oursByDefault: await ours([]),
    oursOneAtATime: await ours([...alike, '--concurrency', '1']),
    ...(postgresUrl && { oursOnServer: await onServer() }),
  }
}

/** A model's folder as the peer wants it; `isnet` is a kind of model that it runs as it is. */
async function describeForPeer(folder: string, { name, file, size }: BenchModel): Promise<void> {
  const target = join(folder, 'models', name)
  await save(join(target, 'config.json'), JSON.stringify({ model_type: 'isnet' }))
  const preprocessing = {
    image_processor_type: 'ImageProcessor',
    ...{ do_resize: true, size: { width: size, height: size }, resample: 2 },
    ...{ do_rescale: true, rescale_factor: 1 / 255 },
    ...{ do_normalize: true, image_mean: normalisation.mean, image_std: normalisation.std },
  }
  await save(join(target, 'preprocessor_config.json'), JSON.stringify(preprocessing))
  await mkdir(join(target, 'onnx'))
  await symlink(file, join(target, 'onnx', 'model.onnx'))
}

async function peer(folder: string, model: BenchModel, images: string[], atOnce: number): Promise<PeerRun> {
  const output = join(folder, 'peer')
  await mkdir(output, { recursive: true })
  const [models, threads] = [join(folder, 'models'), availableParallelism()]
  return runPeer(program, { models, model: model.name, threads, atOnce, png: sharpPng, output, images })
}

interface Comparison {
  difference: Difference
  cutoutBytes: { ours: number; peer: number }
}

/** No time is told of cut-outs that are not the same ones. */
async function compare(
  folder: string,
  home: string,
  model: BenchModel,
  files: string[],
): Promise<Comparison> {
  await peer(folder, model, files, 1)
  const worst: Difference = { alphaMean: 0, alphaMost: 0, alphaOff: 0, colourMean: 0 }
  const cutoutBytes = { ours: 0, peer: 0 }
  await withHome(home, async (copy) => {
    const { completed } = await rmbgProcess(['--model', model.file, ...alike, ...files], {
      env: { RMBG_HOME: copy },
    })
    for (const { input, processedPath } of completed) {
      if (processedPath === null) throw new TypeError(`The cut-out of ${input} was not kept.`)
      const [ours, theirs] = [
        join(copy, 'store', processedPath),
        join(folder, 'peer', `${basename(input)}.png`),
      ]
      const found = differenceOf(input, await pixels(ours), await pixels(theirs))
      for (const key of Object.keys(worst) as (keyof Difference)[])
        worst[key] = Math.max(worst[key], found[key])
      cutoutBytes.ours += (await stat(ours)).size / completed.length
      cutoutBytes.peer += (await stat(theirs)).size / completed.length
    }
  })
  return { difference: worst, cutoutBytes }
}

/** @throws Error where cut-outs of made pictures differ by more than is explained */
function assertAlike(model: string, difference: Difference): void {
  for (const key of Object.keys(difference) as (keyof Difference)[]) {
    if (difference[key] <= tolerance[key]) continue
    throw new Error(
      `The cut-outs of ${model} are not alike: ${key} is ${difference[key]}, more than ${tolerance[key]}.`,
    )
  }
}

/** Interleaved RGBA. */
const pixels = async (file: string): Promise<Uint8Array> =>
  sharp(await readFile(file), { limitInputPixels: false })
    .raw()
    .toBuffer()

function differenceOf(input: string, ours: Uint8Array, theirs: Uint8Array): Difference {
  if (ours.length !== theirs.length) {
    throw new Error(
      `The cut-outs of ${input} are not of one size: the peer does not turn photographs upright. Leave it out.`,
    )
  }
  let [alpha, alphaMost, off, colour] = [0, 0, 0, 0]
  for (let at = 0; at < ours.length; at += 4) {
    const difference = Math.abs(ours[at + 3]! - theirs[at + 3]!)
    alpha += difference
    alphaMost = Math.max(alphaMost, difference)
    if (difference > 32) off++
    for (let c = 0; c < 3; c++) colour += Math.abs(ours[at + c]! - theirs[at + c]!)
  }
  const count = ours.length / 4
  return { alphaMean: alpha / count, alphaMost, alphaOff: off / count, colourMean: colour / count / 3 }
}
