/**
 * How good and how fast models are: `npm run bench:quality` for those that are built in, `npm run bench:quality -- --model
 * isnet --model photo.onnx` for others: installed ones by name, files by path.
 *
 * Every picture goes the way `rmbg process` takes it, and the mask is compared at the picture's size with a reference:
 * - photographs of ../shared/photos, or of the folder that `--photos` names, each with `<name>.mask.png` beside it; left out
 *   where there are none. The references of ../shared/photos are other tools' masks
 * - studio shots rendered here, which no model of ours was trained on, with exact alpha
 *
 * IoU: intersection over union at alpha 0.5. MAE: mean absolute error of alpha. Boundary IoU: the same as IoU within 2 % of
 * the diagonal from an outline (Cheng et al., CVPR 2021). Milliseconds: one inference, median of all pictures.
 * With `--write` the tables go into docs/models.md between their marks.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import envPaths from 'env-paths'
import { askModel } from '../../src/cutout/cutout.ts'
import { composite } from '../../src/cutout/pixels/composite.ts'
import type { Review } from '../../src/cutout/pixels/review.ts'
import { openModel } from '../../src/model/session.ts'
import { builtinModels, resolveModel } from '../../src/model/shelf/registry.ts'
import { modelsFolder } from '../../src/settings/settings.ts'
import { photographs, type Sample, sharedPhotos, shots } from './quality/samples.ts'
import { type Score, score } from './quality/score.ts'

/** A mask with a lower IoU is one to throw away. */
const badBelow = 0.5

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function judge(name: string, samples: readonly Sample[]) {
  const folder = modelsFolder(process.env.RMBG_HOME ?? envPaths('rmbg', { suffix: '' }).data)
  const model = await openModel(await resolveModel(name, { modelsFolder: folder }), { threads: 2 })
  const scores: (Score & Pick<Review, 'reasons'> & { name: string })[] = []
  const times: number[] = []
  const timed: typeof model.predict = async (rgb) => {
    const startedAt = performance.now()
    const matte = await model.predict(rgb)
    times.push(performance.now() - startedAt)
    return matte
  }
  for (const sample of samples) {
    const picture = await sample.image()
    const found = await askModel({ ...model, predict: timed }, picture)
    const { mask, review } = composite({ picture, ...found, refine: true, keepHiddenColor: false })
    const { width, height } = picture
    const { reasons } = review
    scores.push({ name: sample.name, reasons, ...score(mask, await sample.reference(), width, height) })
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

/** Whether the review finds the masks that are to be thrown away, and how many others with them. */
function reviewTable(judged: Judged[]): string {
  const flagged = (scores: Judged['scores']) => scores.filter(({ reasons }) => reasons.length > 0).length
  return [
    `| Model | Masks with IoU under ${badBelow} | of them flagged | other masks | of them flagged |`,
    '|---|---|---|---|---|',
    ...judged.map(({ model, scores }) => {
      const bad = scores.filter(({ iou }) => iou < badBelow)
      const good = scores.filter(({ iou }) => iou >= badBelow)
      return `| \`${model}\` | ${bad.length} | ${flagged(bad)} | ${good.length} | ${flagged(good)} |`
    }),
  ].join('\n')
}

function detailTable(judged: Judged[]): string {
  const names = judged[0]?.scores.map(({ name }) => name) ?? []
  return [
    `| IoU, MAE, review | ${judged.map(({ model }) => `\`${model}\``).join(' | ')} |`,
    `|---|${'---|'.repeat(judged.length)}`,
    ...names.map((name, index) => {
      const cells = judged.map(({ scores }) => {
        const { iou, mae, reasons } = scores[index]!
        return [iou.toFixed(2), mae.toFixed(3), ...reasons].join(', ')
      })
      return `| ${name} | ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', multiple: true, default: [] },
    photos: { type: 'string', default: sharedPhotos },
    write: { type: 'boolean', default: false },
  },
})
const named = [...values.model, ...positionals]
const models = named.length > 0 ? named : Object.keys(builtinModels)
const photos: Judged[] = []
const synthetic: Judged[] = []
const pictures = await photographs(values.photos)
if (pictures.length === 0) process.stderr.write(`Left out: there are no photographs in ${values.photos}\n`)
for (const model of models) {
  if (pictures.length > 0) photos.push(await judge(model, pictures))
  synthetic.push(await judge(model, shots))
}

const summary = summaryTable(photos, synthetic)
const tables = [
  summary,
  ...[photos, synthetic].flatMap((each) => (each.length > 0 ? [reviewTable(each), detailTable(each)] : [])),
]
process.stdout.write(`${tables.join('\n\n')}\n`)
process.stdout.write(
  `\nTwo threads of ${availableParallelism()} cores, ${process.platform} ${process.arch}, Node ${process.version}\n`,
)
if (values.write) {
  const page = new URL('../../docs/models.md', import.meta.url)
  const marks = /(<!-- quality -->\n)[\s\S]*?(<!-- \/quality -->)/
  const text = await readFile(page, 'utf8')
  await writeFile(
    page,
    text.replace(marks, (_, start, end) => `${start}${summary}\n${end}`),
  )
}
