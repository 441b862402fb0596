/** What this program is for: one picture, from its file to the files of its mask and its cut-out. */
import { failPoint } from '../fail-point.ts'
import type { Letterbox, MatteModel, ModelSpec } from '../model/contract.ts'
import { stopwatch } from '../stopwatch.ts'
import { type DecodedImage, decode, decodeMask } from './codec/decode.ts'
import { type EncodedCutout, type EncodedImage, encodeCutout, encodeMask } from './codec/encode.ts'
import type { ImageHeader } from './codec/header.ts'
import { toModelInput } from './codec/model-input.ts'
import { cropMatte, letterboxOf, pad } from './letterbox.ts'
import { type CutoutRecipe, isWrittenAsItIs } from './options.ts'
import { type CompositeTask, composite, compositeRows, release } from './pixels/composite.ts'
import type { MattePlane } from './pixels/matte.ts'
import type { Review } from './pixels/review.ts'
import { checkPicture, type RuleViolation } from './rules.ts'

/** What tells the subject from the background: a model to ask, or the file of a finished mask. */
export type Subject = SubjectModel | { mask: Uint8Array }

export type SubjectModel = Pick<MatteModel, 'inputSize' | 'predict'> & {
  spec: Pick<ModelSpec, 'guided' | 'letterbox' | 'leastExpectedIou'>
}

/** The finished files, and what is known about them. */
export interface Cutout {
  mask: EncodedImage
  processed: EncodedCutout
  review: Review
  /** Why a catalogue would refuse the cut-out; absent without its rules. */
  violations: RuleViolation[] | undefined
  stages: CutoutStages
}

/** Milliseconds of each stage, without waiting for the model. */
export interface CutoutStages {
  decode: number
  model: number
  composite: number
  encode: number
}

/**
 * Cuts one picture out. It needs no thread of its own, but usually runs in one (`pool.ts`).
 *
 * @param file of a JPEG, PNG, WebP, AVIF, HEIC, JPEG XL, TIFF, GIF or BMP
 * @param metadata of its header, where that was read before
 * @throws RmbgError INPUT_CORRUPT, MASK_MISSING for a mask of another size, OUTPUT_TOO_LARGE, or what the model throws
 */
export async function cutOut(
  file: Uint8Array,
  subject: Subject,
  recipe: CutoutRecipe,
  metadata?: ImageHeader['metadata'],
): Promise<Cutout> {
  const lap = stopwatch()
  const picture = await decode(file, recipe, metadata)
  const decodeMs = lap()
  await failPoint('process:decoded')
  const { found, modelMs } = await find(subject, picture)
  lap()
  const task = { picture, ...found, ...recipe }
  const made = isWrittenAsItIs(picture, recipe) ? compositeRows(task) : composite(task)
  const compositeMs = lap()
  const [mask, processed] = await Promise.all([encodeMask(made), encodeCutout(made, picture, recipe)])
  if ('rgba' in made) release(made)
  const violations = await check(processed, made.review, recipe)
  await failPoint('process:encoded')
  const stages = { decode: decodeMs, model: modelMs, composite: compositeMs, encode: lap() }
  return { mask, processed, review: made.review, violations, stages }
}

/** Finds the subject, and tells how long the model worked on that, without waiting for its turn. */
async function find(subject: Subject, picture: DecodedImage): Promise<{ found: Found; modelMs: number }> {
  if ('mask' in subject) return { found: await givenMask(subject.mask, picture), modelMs: 0 }
  const lap = stopwatch()
  let waitedMs = 0
  const predict: SubjectModel['predict'] = async (rgb) => {
    const answered = stopwatch()
    const matte = await subject.predict(rgb)
    const ms = answered()
    waitedMs += ms - (matte.inferenceMs ?? ms)
    return matte
  }
  const found = await askModel({ ...subject, predict }, picture)
  return { found, modelMs: lap() - waitedMs }
}

/** Where the subject is, as `composite` takes it. */
export type Found = Pick<CompositeTask, 'matte' | 'guided' | 'leastExpectedIou'>

async function givenMask(mask: Uint8Array, picture: DecodedImage): Promise<Found> {
  return { matte: await decodeMask(mask, picture), guided: false }
}

/**
 * Shows a picture to a model as it was trained to see them.
 *
 * @throws RmbgError what the model throws
 */
export async function askModel(model: SubjectModel, picture: DecodedImage): Promise<Found> {
  const { guided = false, letterbox, leastExpectedIou } = model.spec
  const matte = letterbox
    ? await askInLetterbox(model, picture, letterbox)
    : await ask(model, await toModelInput(picture, model.inputSize))
  return { matte, guided, leastExpectedIou }
}

async function askInLetterbox(model: SubjectModel, picture: DecodedImage, letterbox: Letterbox) {
  const box = letterboxOf(picture, model.inputSize, letterbox)
  const rgb = pad(await toModelInput(picture, box), box, model.inputSize, letterbox)
  return cropMatte(await ask(model, rgb), box)
}

async function ask({ predict }: SubjectModel, rgb: Uint8Array<ArrayBuffer>): Promise<MattePlane> {
  const { alpha, width, height } = await predict(rgb)
  await failPoint('process:matte')
  return { values: alpha, width, height }
}

async function check(processed: EncodedCutout, { touches }: Review, { rules }: CutoutRecipe) {
  return rules && (await checkPicture(processed.bytes, rules, { scale: processed.scale, touches }))
}
