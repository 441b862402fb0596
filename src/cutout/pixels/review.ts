/**
 * Figures about a mask, by which the doubtful few of a thousand cut-outs are found without looking at all of them.
 */

export type FrameSide = 'top' | 'right' | 'bottom' | 'left'

export type ReviewReason =
  | 'empty-mask'
  | 'full-mask'
  | 'small-subject'
  | 'touches-frame'
  | 'many-islands'
  | 'many-holes'
  | 'soft-mask'
  | 'halo'
  | 'doubtful-mask'

export interface Review {
  /** Share of the frame that the subject covers, 0..1: the mean of alpha. */
  subjectArea: number
  /** Pixels that are neither clear nor opaque (alpha 13..242), as a share of all that are not clear, 0..1. */
  softShare: number
  /** Sides on which the subject leaves the frame. */
  touches: FrameSide[]
  /** Separate parts of the subject, not counting specks. */
  islands: number
  /** Openings in the subject, not counting pinholes. */
  holes: number
  /**
   * How far the colors of the soft edge lie from the subject's own towards the old background's, 0 (the subject's) to
   * 1 (the background's); null when there is no soft edge, or subject and background have the same color.
   */
  haloScore: number | null
  /** The overlap with the true subject that the model's own matte promises, 0..1; null without a model. */
  expectedIou: number | null
  /** Why a person should look at it; empty when nothing is suspicious. */
  reasons: ReviewReason[]
}

/** What was counted in a mask and measured at its edge. */
export interface MaskFigures
  extends Pick<Review, 'touches' | 'islands' | 'holes' | 'haloScore' | 'expectedIou'> {
  /** Of all. */
  pixels: number
  /** Of alpha, 0..255 each. */
  sum: number
  /** Pixels with an alpha below 13, and above 242. */
  clear: number
  opaque: number
  /** What `expectedIou` must reach, where that is known to tell good masks from bad ones. */
  leastExpectedIou: number | undefined
}

/** A side is touched when subject covers more of it than this share; a single noisy pixel is not enough. */
export const touchShare = 0.005

/** Says what is suspicious about a mask. */
export function reviewOf(counted: MaskFigures): Review {
  const { pixels, sum, clear, opaque, touches, islands, holes, haloScore, expectedIou } = counted
  const visible = pixels - clear
  const figures = {
    subjectArea: rounded(sum / 255 / pixels),
    softShare: rounded(visible === 0 ? 0 : (visible - opaque) / visible),
    touches,
    islands,
    holes,
    haloScore: haloScore === null ? null : rounded(haloScore),
    expectedIou: expectedIou === null ? null : rounded(expectedIou),
  }
  return { ...figures, reasons: conspicuous(figures, counted.leastExpectedIou) }
}

/**
 * The limits were chosen by looking at samples and photographs. For the halo: a cut-out that keeps its old background's
 * color scores 0.5 on an even edge. The figures are stored with the job, so that anyone can apply other limits.
 */
function conspicuous(figures: Omit<Review, 'reasons'>, leastExpectedIou: number | undefined): ReviewReason[] {
  const { subjectArea, softShare, touches, islands, holes, haloScore } = figures
  const { expectedIou } = figures
  if (subjectArea < 0.001) return ['empty-mask']
  if (subjectArea > 0.98) return ['full-mask']
  const reasons: [ReviewReason, boolean][] = [
    ['small-subject', subjectArea < 0.01],
    // Portraits and busts leave the frame at the bottom; a subject that leaves it elsewhere is cut off.
    ['touches-frame', touches.some((side) => side !== 'bottom')],
    ['many-islands', islands > 3],
    ['many-holes', holes > 8],
    // A matte that is known to say how sure its model is says more than that it is soft: three quarters of the good ones of
    // the built-in model are.
    ['soft-mask', leastExpectedIou === undefined && softShare > 0.4],
    ['halo', haloScore !== null && haloScore > 0.35],
    ['doubtful-mask', expectedIou !== null && expectedIou < (leastExpectedIou ?? 0)],
  ]
  return reasons.filter(([, applies]) => applies).map(([reason]) => reason)
}

const rounded = (share: number): number => Math.round(share * 1e4) / 1e4
