/**
 * How good and how fast models are: `npm run bench:quality`, or `npm run bench:quality -- backdrop rmbg-2.0`.
 *
 * Every picture goes the way `rmbg process` takes it, and the mask is compared at the picture's size with a reference:
 * - photographs of ../shared/photos, left out where that folder is missing; their references are other tools' masks
 * - studio shots rendered here, which no model of ours was trained on, with exact alpha
 *
 * IoU: intersection over union at alpha 0.5. MAE: mean absolute error of alpha. Boundary IoU: the same as IoU within 2 % of
 * the diagonal from an outline (Cheng et al., CVPR 2021). Milliseconds: one inference, median of all pictures.
 * With `--write` the tables go into docs/models.md between their marks.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import envPaths from 'env-paths'
import sharp from 'sharp'
import { type DecodedImage, decode } from '../../src/cutout/codec/decode.ts'
import { toModelInput } from '../../src/cutout/codec/model-input.ts'
import { composite } from '../../src/cutout/pixels/composite.ts'
import { openModel } from '../../src/model/session.ts'
import { builtinModels, resolveModel } from '../../src/model/shelf/registry.ts'
import { modelsFolder } from '../../src/settings/settings.ts'
import { randomShot, render, studio } from '../model/studio.ts'

interface Sample {
  name: string
  image: () => Promise<DecodedImage>
  /** 0..255 at the picture's size. */
  reference: () => Promise<Uint8Array>
}

interface Score {
  iou: number
  mae: number
  boundaryIou: number
}

const photosFolder = fileURLToPath(new URL('../../../shared/photos/', import.meta.url))

async function photographs(): Promise<Sample[]> {
  if (!existsSync(photosFolder)) return []
  const files = (await readdir(photosFolder)).filter(
    (file) => /\.(jpg|png)$/.test(file) && !file.includes('.mask.'),
  )
  return files.sort().map((file) => ({
    name: file.replace(/\.\w+$/, ''),
    image: async () => decode(await readFile(photosFolder + file)),
    reference: async () =>
      sharp(photosFolder + file.replace(/\.\w+$/, '.mask.png'))
        .extractChannel(0)
        .raw()
        .toBuffer(),
  }))
}

const shotSize = 768
const randomShots = Array.from(
  { length: 40 },
  (_, seed) => [`random shot ${seed}`, randomShot(seed)] as const,
)
const shots: Sample[] = [...Object.entries(studio), ...randomShots].map(([name, shot]) => {
  const rendered = () => render(shot, shotSize)
  return {
    name,
    image: async () => ({
      data: (await rendered()).rgb,
      width: shotSize,
      height: shotSize,
      channels: 3,
      metadata: {},
    }),
    reference: async () => Uint8Array.from((await rendered()).alpha, (value) => Math.round(value * 255)),
  }
})

function score(mask: Uint8Array, reference: Uint8Array, width: number, height: number): Score {
  let error = 0
  for (let i = 0; i < mask.length; i++) error += Math.abs(mask[i]! - reference[i]!)
  const [found, truth] = [binary(mask), binary(reference)]
  const reach = Math.max(1, Math.round(0.02 * Math.hypot(width, height)))
  const rims = [found, truth].map((each) => rim(each, width, height, reach))
  return {
    iou: overlap(found, truth),
    mae: error / 255 / mask.length,
    boundaryIou: overlap(rims[0]!, rims[1]!),
  }
}

const binary = (mask: Uint8Array): Uint8Array => mask.map((alpha) => (alpha >= 128 ? 1 : 0))

function overlap(a: Uint8Array, b: Uint8Array): number {
  let [both, either] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    both += a[i]! & b[i]!
    either += a[i]! | b[i]!
  }
  return either === 0 ? 1 : both / either
}

/** What of a mask lies within `reach` of its outline; the frame is no outline. */
function rim(mask: Uint8Array, width: number, height: number, reach: number): Uint8Array {
  const sums = new Uint32Array((width + 1) * (height + 1))
  for (let y = 0; y < height; y++) {
    for (let x = 0, row = 0; x < width; x++) {
      row += 1 - mask[y * width + x]!
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1]! + row
    }
  }
  const result = new Uint8Array(mask.length)
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(y - reach, 0), Math.min(y + reach + 1, height)]
    for (let x = 0; x < width; x++) {
      if (!mask[y * width + x]) continue
      const [left, right] = [Math.max(x - reach, 0), Math.min(x + reach + 1, width)]
      const at = (u: number, v: number) => sums[v * (width + 1) + u]!
      result[y * width + x] =
        at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top) > 0 ? 1 : 0
    }
  }
  return result
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function judge(name: string, samples: readonly Sample[]) {
  const folder = modelsFolder(process.env.RMBG_HOME ?? envPaths('rmbg', { suffix: '' }).data)
  const model = await openModel(await resolveModel(name, { modelsFolder: folder }), { threads: 2 })
  const scores: (Score & { name: string })[] = []
  const times: number[] = []
  for (const sample of samples) {
    const image = await sample.image()
    const input = await toModelInput(image, model.inputSize)
    const startedAt = performance.now()
    const matte = await model.predict(input)
    times.push(performance.now() - startedAt)
    const { width, height } = image
    const { mask } = composite({
      picture: image,
      matte: { ...matte, values: matte.alpha },
      guided: model.spec.guided ?? false,
      refine: false,
      keepHiddenColor: false,
    })
    scores.push({ name: sample.name, ...score(mask, await sample.reference(), width, height) })
  }
  await model.close()
  return { model: name, provider: model.provider, ms: median(times), scores }
}

type Judged = Awaited<ReturnType<typeof judge>>

function summaryTable(photos: Judged[], synthetic: Judged[]): string {
  const row = (set: string) => (judged: Judged) => {
    const of = (key: keyof Score) => mean(judged.scores.map((each) => each[key])).toFixed(3)
    return `| ${set} | \`${judged.model}\` | ${of('iou')} | ${of('mae')} | ${of('boundaryIou')} | ${judged.ms.toFixed(0)} |`
  }
  return [
    '| Pictures | Model | IoU | MAE | Boundary IoU | ms |',
    '|---|---|---|---|---|---|',
    ...photos.map(row(`${photos[0]?.scores.length} photographs`)),
    ...synthetic.map(row(`${synthetic[0]?.scores.length} studio shots`)),
  ].join('\n')
}

function detailTable(judged: Judged[]): string {
  const names = judged[0]?.scores.map(({ name }) => name) ?? []
  return [
    `| IoU, MAE | ${judged.map(({ model }) => `\`${model}\``).join(' | ')} |`,
    `|---|${'---|'.repeat(judged.length)}`,
    ...names.map((name, index) => {
      const cells = judged.map(
        ({ scores }) => `${scores[index]!.iou.toFixed(2)}, ${scores[index]!.mae.toFixed(3)}`,
      )
      return `| ${name} | ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

const args = process.argv.slice(2)
const named = args.filter((arg) => !arg.startsWith('--'))
const models = named.length > 0 ? named : Object.keys(builtinModels)
const photos: Judged[] = []
const synthetic: Judged[] = []
const pictures = await photographs()
if (pictures.length === 0) process.stderr.write(`Left out: there are no photographs in ${photosFolder}\n`)
for (const model of models) {
  if (pictures.length > 0) photos.push(await judge(model, pictures))
  synthetic.push(await judge(model, shots))
}

const summary = summaryTable(photos, synthetic)
process.stdout.write(
  `${summary}\n\n${photos.length > 0 ? `${detailTable(photos)}\n\n` : ''}${detailTable(synthetic)}\n`,
)
process.stdout.write(
  `\nTwo threads of ${availableParallelism()} cores, ${process.platform} ${process.arch}, Node ${process.version}\n`,
)
if (args.includes('--write')) {
  const page = new URL('../../docs/models.md', import.meta.url)
  const marks = /(<!-- quality -->\n)[\s\S]*?(<!-- \/quality -->)/
  const text = await readFile(page, 'utf8')
  await writeFile(
    page,
    text.replace(marks, (_, start, end) => `${start}${summary}\n${end}`),
  )
}
