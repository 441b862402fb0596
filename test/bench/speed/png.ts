/**
 * Ways to write a PNG, by bytes and time, and what the best known decoder, matrix library and encoder take together: no
 * program of whatever kind is below that, while its files are no larger.
 */
import { mkdir, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { ownProgram, rmbg, rmbgProcess } from './measured.ts'
import { type BenchModel, heavyModel, lightModel } from './models.ts'
import { pictures } from './pictures.ts'
import { benchFolder, save, withFolder } from './place.ts'
import type { EncodersTask, EncoderTimes } from './png-encoders.ts'
import { type Spread, spread } from './spread.ts'

/** Of one image. */
export interface EncoderRow {
  megapixels: number
  name: string
  cutoutBytes: number
  /** CPU time of one thread. */
  cutoutMs: Spread
  /** Absent where an encoder cannot write grey. */
  maskBytes?: number
  maskMs?: Spread
  /** No other makes fewer bytes of the cut-out in less time. */
  isPareto: boolean
}

/** CPU milliseconds of an image. */
export interface LeastRow {
  model: string
  megapixels: number
  /** By libjpeg-turbo. */
  decodeMs: number
  /** By ONNX Runtime, with waiting threads asleep. */
  inferenceMs: number
  /** Mask and cut-out, by the quickest encoders whose files are no larger than those of sharp at level 3. */
  encodeMs: number
  encoder: string
  /** All of it over the cores: what an image takes at least. */
  leastMs: number
}

export interface PngResult {
  encoders: EncoderRow[]
  least: LeastRow[]
}

export interface PngOptions {
  rounds: number
  /** Pictures of each size. */
  images: number
  tell: (line: string) => void
}

const sizes = [1, 12] as const
const napiRelease = '1.15.0'

export async function measurePng({ rounds, images, tell }: PngOptions): Promise<PngResult> {
  const napi = await installNapi(tell)
  const light = await lightModel()
  const encoders: EncoderRow[] = []
  const least: LeastRow[] = []
  for (const megapixels of sizes) {
    const files = await pictures(megapixels, images)
    tell(`PNG encoders: ${files.length} cut-outs of ${megapixels} megapixels`)
    const times = await withCutouts(light, files, (cutouts) =>
      ownProgram<EncoderTimes[]>('png-encoders.ts', [
        JSON.stringify({ cutouts, rounds, napi } satisfies EncodersTask),
      ]),
    )
    encoders.push(...rowsOf(megapixels, times))
    for (const model of [light, await heavyModel()])
      least.push(await leastOf(model, megapixels, files, times))
  }
  return { encoders, least }
}

/** Encoded as the program encodes them, which loses nothing, so that their pixels are the ones it encoded. */
function withCutouts<T>(
  model: BenchModel,
  files: readonly string[],
  use: (cutouts: EncodersTask['cutouts']) => Promise<T>,
): Promise<T> {
  return withFolder(async (home) => {
    const env = { RMBG_HOME: home }
    await rmbg(['migrate'], { env })
    const { completed } = await rmbgProcess(['--model', model.file, ...files], { env })
    const cutouts = completed.map(({ input, maskPath, processedPath }) => {
      if (maskPath === null || processedPath === null)
        throw new TypeError(`The cut-out of ${input} was not kept.`)
      return { cutout: join(home, 'store', processedPath), mask: join(home, 'store', maskPath) }
    })
    return use(cutouts)
  })
}

export function rowsOf(megapixels: number, times: readonly EncoderTimes[]): EncoderRow[] {
  const rows = times.map(({ name, cutoutBytes, cutoutMs, maskBytes, maskMs }) => ({
    ...{ megapixels, name, cutoutBytes, cutoutMs: spread(cutoutMs) },
    ...(maskBytes !== undefined && maskMs && { maskBytes, maskMs: spread(maskMs) }),
  }))
  const isBeaten = (row: (typeof rows)[number]) =>
    rows.some(
      (other) =>
        (other.cutoutBytes < row.cutoutBytes && other.cutoutMs.median <= row.cutoutMs.median) ||
        (other.cutoutBytes <= row.cutoutBytes && other.cutoutMs.median < row.cutoutMs.median),
    )
  return rows.map((row) => ({ ...row, isPareto: !isBeaten(row) }))
}

/** The quickest of others' encoders whose files are no larger than those of sharp at level 3. */
export function quickest(times: readonly EncoderTimes[]): { encoder: string; encodeMs: number } {
  const usual = times.find(({ name }) => name === 'sharp 3')
  if (!usual?.maskBytes) throw new Error('sharp at level 3 was not measured.')
  const { cutoutBytes: mostBytes, maskBytes: mostMaskBytes } = usual
  const others = times.filter(({ name }) => name !== 'ours')
  const byMedian = (ms: readonly number[]) => spread(ms).median
  const [cutout] = others
    .filter(({ cutoutBytes }) => cutoutBytes <= mostBytes)
    .sort((a, b) => byMedian(a.cutoutMs) - byMedian(b.cutoutMs))
  const [mask] = others
    .filter(({ maskBytes }) => maskBytes !== undefined && maskBytes <= mostMaskBytes)
    .map(({ maskMs }) => byMedian(maskMs!))
    .sort((a, b) => a - b)
  return { encoder: cutout!.name, encodeMs: byMedian(cutout!.cutoutMs) + mask! }
}

async function leastOf(
  model: BenchModel,
  megapixels: number,
  files: readonly string[],
  times: readonly EncoderTimes[],
): Promise<LeastRow> {
  const threads = availableParallelism()
  const args = [model.file, String(model.size), String(threads), ...files]
  const { decode, inference } = await ownProgram<Record<string, number>>('floor.ts', args)
  const { encoder, encodeMs } = quickest(times)
  return {
    ...{ model: model.name, megapixels, decodeMs: decode!, inferenceMs: inference!, encodeMs, encoder },
    leastMs: (decode! + inference! + encodeMs) / threads,
  }
}

/** @returns path of its module */
async function installNapi(tell: PngOptions['tell']): Promise<string> {
  const folder = join(benchFolder, 'png-encoders')
  const module = join(folder, 'node_modules/@napi-rs/image/index.js')
  if (!(await stat(module).catch(() => undefined))) {
    tell(`installing @napi-rs/image ${napiRelease} in ${folder}`)
    await mkdir(folder, { recursive: true })
    const description = { private: true, dependencies: { '@napi-rs/image': napiRelease } }
    await save(join(folder, 'package.json'), JSON.stringify(description))
    await execa('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  }
  return module
}
