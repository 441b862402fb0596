/** `rmbg process` against the background-removal pipeline of @huggingface/transformers, on the same ONNX file. */
import { mkdir, readFile, stat, symlink } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import sharp from 'sharp'
import { freshDatabase, postgresUrl } from '../../support/servers.ts'
import { type Case, type CaseOptions, casesOf, type Plan } from './cases.ts'
import { type Finished, measure, rmbg, rmbgProcess, steady } from './measured.ts'
import { type BenchModel, normalisation } from './models.ts'
import { save, withFolder, withHome } from './place.ts'
import { sharpPng } from './sharp-png.ts'
import { type Spread, spread } from './spread.ts'

export interface PeerRow {
  model: string
  megapixels: number
  images: number
  /** Cut-outs alike: `--no-refine --keep-hidden-color`; three objects and a row an image, where the peer writes one file. */
  ours: PeerFigures
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
  /** Worst of the pictures compared. */
  difference: Difference
}

interface PeerFigures {
  steadyMs: Spread
  /** With start and end. */
  wholeMs: Spread
  cpuMs: Spread
  peakRssMb: Spread
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

const peerFolder = fileURLToPath(new URL('peer/', import.meta.url))

export interface PeerOptions extends CaseOptions {
  rounds: number
}

export async function timePeer(options: PeerOptions): Promise<PeerRow[]> {
  const { rounds, tell } = options
  await installPeer(tell)
  return withFolder(async (folder) => {
    const home = join(folder, 'home')
    await rmbg(['migrate'], { env: { RMBG_HOME: home } })
    const chosen = await casesOf(plan, options)
    for (const model of new Set(chosen.map((each) => each.model))) await describeForPeer(folder, model)
    const cases: (Case & { difference: Difference })[] = []
    for (const each of chosen) {
      tell(`comparing cut-outs: ${each.model.name}, ${each.megapixels} megapixels`)
      const difference = await compare(folder, home, each.model, each.files.slice(0, compared))
      cases.push({ ...each, difference })
    }
    const rows = cases.map((each) => ({ ...each, rounds: [] as Round[] }))
    for (let index = 0; index < rounds; index++) {
      for (const row of rows) {
        tell(`round ${index + 1} of ${rounds}: ${row.model.name}, ${row.megapixels} megapixels`)
        row.rounds.push(await round(folder, home, row.model, row.files))
      }
    }
    return rows.map(({ model, megapixels: size, files, difference, rounds: measured }) => {
      const of = (which: keyof Round) =>
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
        oursByDefault: of('oursByDefault'),
        ...(postgresUrl && { oursOnServer: of('oursOnServer') }),
        peer: of('peer'),
        peerAtOnce: of('peerAtOnce'),
        faster: faster('peer'),
        fasterThanAtOnce: faster('peerAtOnce'),
        difference,
      }
    })
  })
}

function figuresOf(runs: readonly Figures[], images: number): PeerFigures {
  return {
    steadyMs: spread(runs.map((run) => run.steadyMsPerImage)),
    wholeMs: spread(runs.map((run) => run.wallMs / images)),
    cpuMs: spread(runs.map((run) => run.cpuMs / images)),
    peakRssMb: spread(runs.map((run) => run.peakRssMb)),
  }
}

type Figures = Finished & { steadyMsPerImage: number }
type Round = Record<'ours' | 'oursByDefault' | 'peer' | 'peerAtOnce', Figures> & { oursOnServer?: Figures }

/** As its lock file has it; npm leaves a copy of that behind when it is done. */
async function installPeer(tell: PeerOptions['tell']): Promise<void> {
  const modified = (file: string) => stat(join(peerFolder, file)).then(({ mtimeMs }) => mtimeMs)
  const installed = await modified('node_modules/.package-lock.json').catch(() => 0)
  if (installed > (await modified('package-lock.json'))) return
  tell('installing the peer')
  await execa('npm', ['ci', '--prefix', peerFolder, '--ignore-scripts', '--no-audit', '--no-fund'])
}

const alike = ['--no-refine', '--keep-hidden-color']

async function round(folder: string, home: string, model: BenchModel, files: string[]): Promise<Round> {
  const process = (flags: readonly string[], env: Record<string, string> = {}) =>
    withHome(home, (copy) =>
      rmbgProcess(['--model', model.file, ...flags, ...files], { env: { RMBG_HOME: copy, ...env } }),
    )
  const onServer = async () => {
    const { url, drop } = await freshDatabase()
    const env = { DATABASE_URL: url }
    try {
      await rmbg(['migrate'], { env })
      return await process(alike, env)
    } finally {
      await drop()
    }
  }
  return {
    peer: await runPeer(folder, model, files, 1),
    ours: await process(alike),
    peerAtOnce: await runPeer(folder, model, files, availableParallelism() + 1),
    oursByDefault: await process([]),
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

async function runPeer(
  folder: string,
  model: BenchModel,
  images: string[],
  atOnce: number,
): Promise<Figures> {
  const output = join(folder, 'peer')
  await mkdir(output, { recursive: true })
  const threads = availableParallelism()
  const task = {
    models: join(folder, 'models'),
    model: model.name,
    threads,
    atOnce,
    png: sharpPng,
    output,
    images,
  }
  const finished = await measure([join(peerFolder, 'run.mjs'), JSON.stringify(task)])
  if (finished.status !== 0 || finished.lines.length !== images.length) {
    throw new Error(`The peer ended with ${finished.status}: ${finished.stderr}`)
  }
  return { ...finished, steadyMsPerImage: steady(finished.lines) }
}

/** No time is told of cut-outs that are not the same ones. */
async function compare(
  folder: string,
  home: string,
  model: BenchModel,
  files: string[],
): Promise<Difference> {
  await runPeer(folder, model, files, 1)
  const worst: Difference = { alphaMean: 0, alphaMost: 0, alphaOff: 0, colourMean: 0 }
  await withHome(home, async (copy) => {
    const { completed } = await rmbgProcess(['--model', model.file, ...alike, ...files], {
      env: { RMBG_HOME: copy },
    })
    for (const { input, processedPath } of completed) {
      if (processedPath === null) throw new TypeError(`The cut-out of ${input} was not kept.`)
      const ours = await pixels(join(copy, 'store', processedPath))
      const theirs = await pixels(join(folder, 'peer', basename(input).replace(/\.jpg$/, '.png')))
      const found = differenceOf(ours, theirs)
      for (const key of Object.keys(worst) as (keyof Difference)[])
        worst[key] = Math.max(worst[key], found[key])
    }
  })
  for (const key of Object.keys(worst) as (keyof Difference)[]) {
    if (worst[key] <= tolerance[key]) continue
    throw new Error(
      `The cut-outs of ${model.name} are not alike: ${key} is ${worst[key]}, more than ${tolerance[key]}.`,
    )
  }
  return worst
}

/** Interleaved RGBA. */
const pixels = async (file: string): Promise<Uint8Array> =>
  sharp(await readFile(file), { limitInputPixels: false })
    .raw()
    .toBuffer()

function differenceOf(ours: Uint8Array, theirs: Uint8Array): Difference {
  if (ours.length !== theirs.length) throw new Error('The cut-outs are not of one size.')
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
