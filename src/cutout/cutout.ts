/** What this program is for: one picture, from its file to the files of its mask and its cut-out. */
import { failPoint } from '../fail-point.ts'
import type { MatteModel, ModelSpec } from '../model/contract.ts'
import { type DecodedImage, decode, decodeMask } from './codec/decode.ts'
import { type EncodedCutout, type EncodedImage, encodeCutout, encodeMask } from './codec/encode.ts'
import { toModelInput } from './codec/model-input.ts'
import type { CutoutRecipe } from './options.ts'
import { type CompositeTask, composite } from './pixels/composite.ts'
import type { Review } from './pixels/review.ts'
import { checkPicture, type RuleViolation } from './rules.ts'

/** What tells the subject from the background: a model to ask, or the file of a finished mask. */
export type Subject = SubjectModel | { mask: Uint8Array }

export type SubjectModel = Pick<MatteModel, 'inputSize' | 'predict'> & { spec: Pick<ModelSpec, 'guided'> }

/** The finished files, and what is known about them. */
export interface Cutout {
  mask: EncodedImage
  processed: EncodedCutout
  review: Review
  /** Why a catalogue would refuse the cut-out; absent without its rules. */
  violations: RuleViolation[] | undefined
}

/**
 * Cuts one picture out. It needs no thread of its own, but usually runs in one (`pool.ts`).
 *
 * @param file of a JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP
 * @throws RmbgError INPUT_CORRUPT, MASK_MISSING for a mask of another size, OUTPUT_TOO_LARGE, or what the model throws
 */
export async function cutOut(file: Uint8Array, subject: Subject, recipe: CutoutRecipe): Promise<Cutout> {
  const picture = await decode(file, recipe)
  await failPoint('process:decoded')
  const found = 'mask' in subject ? await givenMask(subject.mask, picture) : await askModel(subject, picture)
  const pixels = composite({ picture, ...found, ...recipe })
  const [mask, processed] = await Promise.all([encodeMask(pixels), encodeCutout(pixels, picture, recipe)])
  const violations = await check(processed, pixels.review, recipe)
  await failPoint('process:encoded')
  return { mask, processed, review: pixels.review, violations }
}

/** Where the subject is, as `composite` takes it. */
type Found = Pick<CompositeTask, 'matte' | 'guided'>

async function givenMask(mask: Uint8Array, picture: DecodedImage): Promise<Found> {
  return { matte: await decodeMask(mask, picture), guided: false }
}

async function askModel({ inputSize, spec, predict }: SubjectModel, picture: DecodedImage): Promise<Found> {
  const { alpha, width, height } = await predict(await toModelInput(picture, inputSize))
  await failPoint('process:matte')
  return { matte: { values: alpha, width, height }, guided: spec.guided ?? false }
}

async function check(processed: EncodedCutout, { touches }: Review, { rules }: CutoutRecipe) {
  return rules && (await checkPicture(processed.bytes, rules, { scale: processed.scale, touches }))
}
