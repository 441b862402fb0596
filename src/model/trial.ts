/** A model is tried before anybody relies on it: whether it loads, runs, and finds a subject where there is one. */
import { RmbgError } from '../errors.ts'
import type { Device, LoadedModel, ModelSpec } from './contract.ts'
import { openModel } from './session.ts'
import type { TensorStatistics } from './statistics.ts'
import { renderTrialPicture, type TrialPictureName, trialPictures } from './trial-pictures.ts'

/** Whether a model found a subject on one trial picture, or what its mask is instead. */
export interface Judgement {
  picture: TrialPictureName
  verdict: 'found' | 'empty' | 'full' | 'flat'
}

/** What a model made of one trial picture. */
export interface TriedPicture extends Judgement {
  /** Intersection over union with the exact mask, both cut at alpha 0.5; 0..1. */
  iou: number
  /** Of one inference. */
  seconds: number
  /** Of the values that the model was given. */
  input: TensorStatistics
  /** Of the output as the model gave it, before its activation. */
  output: TensorStatistics
  /** Of the mask, 0..1. */
  alpha: TensorStatistics
}

export interface Trial {
  /** Hex SHA-256, as in the spec. */
  sha256: string
  /** Pixels. */
  inputSize: { width: number; height: number }
  provider: string
  /** From the file to a model that can be asked. */
  loadSeconds: number
  /** Per image, of inference alone: the median of the pictures. */
  secondsPerImage: number
  pictures: TriedPicture[]
}

/**
 * Loads a model as `process` does and runs it on the trial pictures.
 *
 * @param options as for `openModel`
 * @throws RmbgError MODEL_INVALID when the file does not load, takes or gives other shapes than an image and a mask,
 *   gives values that are no numbers, fails while it runs, or gives a mask that is empty, full or all the same on every
 *   picture; DEVICE_UNAVAILABLE
 */
export async function tryModel(
  spec: ModelSpec,
  options: { threads?: number | undefined; device?: Device | undefined } = {},
): Promise<Trial> {
  const startedAt = performance.now()
  const model = await openModel(spec, options)
  try {
    const loadSeconds = secondsSince(startedAt)
    const pictures: TriedPicture[] = []
    for (const name of trialPictures) pictures.push(await tryOn(model, name))
    assertUsable(spec, pictures)
    const { inputSize, provider } = model
    const secondsPerImage = median(pictures.map(({ seconds }) => seconds))
    return { sha256: spec.sha256, inputSize, provider, loadSeconds, secondsPerImage, pictures }
  } finally {
    await model.close()
  }
}

/**
 * As short as a trial of a loaded model can be: it ends with the first picture on which something is found.
 *
 * @throws RmbgError as `tryModel`, except for masks that are unusable: `assertUsable` judges them
 */
export async function judgeLoaded(model: LoadedModel): Promise<Judgement[]> {
  const judgements: Judgement[] = []
  for (const picture of trialPictures) {
    const { verdict } = await tryOn(model, picture)
    judgements.push({ picture, verdict })
    if (verdict === 'found') break
  }
  return judgements
}

async function tryOn(
  { spec, inputSize, examine }: LoadedModel,
  name: TrialPictureName,
): Promise<TriedPicture> {
  const { rgb, alpha: exact } = renderTrialPicture(name, inputSize)
  const startedAt = performance.now()
  const { matte, input, output, alpha } = await examine(rgb).catch((cause) => {
    if (!(cause instanceof RmbgError)) throw cause
    throw new RmbgError('MODEL_INVALID', `${spec.file} failed its trial: ${cause.message}`, {
      ...(cause.hint !== undefined && { hint: cause.hint }),
      cause,
    })
  })
  const seconds = secondsSince(startedAt)
  const verdict = verdictOn(matte.alpha, alpha)
  return { picture: name, verdict, iou: iouOf(matte.alpha, exact), seconds, input, output, alpha }
}

/** Subject covers a fifth to a half of every trial picture. */
const emptyBelow = 0.001
const fullAbove = 0.98
/** A mask whose values differ by less has no outline. */
const leastSpread = 0.02

function verdictOn(alpha: Float32Array, { min, max }: TensorStatistics): TriedPicture['verdict'] {
  let subject = 0
  for (const value of alpha) if (value >= 0.5) subject++
  const share = subject / alpha.length
  if (max < leastSpread) return 'empty'
  if (min > 1 - leastSpread) return 'full'
  if (max - min < leastSpread) return 'flat'
  if (share < emptyBelow) return 'empty'
  return share > fullAbove ? 'full' : 'found'
}

const descriptions = { empty: 'empty', full: 'full', flat: 'the same everywhere' } as const

/** @throws RmbgError MODEL_INVALID when nothing was found on any picture, of at least one */
export function assertUsable({ file }: Pick<ModelSpec, 'file'>, pictures: readonly Judgement[]): void {
  const bad = pictures.flatMap(({ verdict }) => (verdict === 'found' ? [] : [descriptions[verdict]]))
  if (bad.length < pictures.length || pictures.length === 0) return
  const [first] = bad
  const same = bad.every((each) => each === first)
  const masks = same ? `every mask is ${first}` : `every mask is ${[...new Set(bad)].join(' or ')}`
  throw new RmbgError(
    'MODEL_INVALID',
    `${file} finds nothing on ${pictures.length} trial pictures with one clear subject each: ${masks}.`,
    {
      hint: 'State what it was trained with in the JSON file beside it: mean, std, activation, channelOrder, output, outputChannel, invert.',
    },
  )
}

function iouOf(found: Float32Array, exact: Float32Array): number {
  let [both, either] = [0, 0]
  for (let i = 0; i < exact.length; i++) {
    const [a, b] = [found[i]! >= 0.5, exact[i]! >= 0.5]
    if (a && b) both++
    if (a || b) either++
  }
  return Math.round((both / either) * 1000) / 1000
}

const secondsSince = (startedAt: number): number => Math.round(performance.now() - startedAt) / 1000

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
