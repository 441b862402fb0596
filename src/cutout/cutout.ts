import { type DecodedImage, decode } from './codec/decode.ts'
import { type Encoded, type EncodedCutout, encodeCutout, encodeMask } from './codec/encode.ts'
import type { CutoutOptions } from './options.ts'
import { type CompositeOptions, composite } from './pixels/composite.ts'
import type { MattePlane } from './pixels/matte.ts'
import type { Review } from './pixels/review.ts'
import { checkPicture, type PictureRules, type RuleViolation } from './rules.ts'

export interface CutoutSettings extends CutoutOptions, CompositeOptions {
  /** Bits per sample in work. */
  depth: 8 | 16
  keepProfile: boolean
  /** A catalogue's rules, which the finished cut-out is checked against. */
  rules: PictureRules | undefined
}

/** What a picture's subject is: a model's matte, or a finished mask with the picture's own transparency in it. */
export type SubjectMatte =
  | { matte: MattePlane; guided: boolean }
  | { matte: Uint8Array<ArrayBuffer>; guided: false }

export interface FinishedCutout {
  mask: Encoded
  processed: EncodedCutout
  review: Review
  /** Why a catalogue would refuse the cut-out; absent without its rules. */
  violations: RuleViolation[] | undefined
}

/**
 * One picture, from its file to the files of its mask and its cut-out.
 *
 * @param matteOf says what the subject is, asked once
 * @throws RmbgError INPUT_CORRUPT, OUTPUT_TOO_LARGE, or what `matteOf` throws
 */
export async function cutOut(
  file: Uint8Array,
  settings: CutoutSettings,
  matteOf: (picture: DecodedImage) => Promise<SubjectMatte>,
): Promise<FinishedCutout> {
  const picture = await decode(file, settings)
  const cutout = composite({ picture, ...(await matteOf(picture)), ...settings })
  const [mask, processed] = await Promise.all([encodeMask(cutout), encodeCutout(cutout, picture, settings)])
  const { review } = cutout
  const { rules } = settings
  const making = { scale: processed.scale, touches: review.touches }
  const violations = rules && (await checkPicture(processed.bytes, rules, making))
  return { mask, processed, review, violations }
}
