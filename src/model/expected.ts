/** What a trial gives where the model is known: so that a copy can be compared, whoever converted or ran it. */
import type { TensorStatistics } from './statistics.ts'
import type { Trial } from './trial.ts'
import type { TrialPictureName } from './trial-pictures.ts'

type Expected = Pick<TensorStatistics, 'mean' | 'standardDeviation'>

/** Of the masks on the trial pictures, by the model's SHA-256. Measured on x86-64 with ONNX Runtime 1.30, on the CPU. */
const expectedMasks: Readonly<Record<string, Readonly<Record<TrialPictureName, Expected>>>> = {
  // silhouette
  '3ad1706a7c076c3a131f95ff0dfeeef87eb833535ba99eb0ea465fdab6de7344': {
    bottle: { mean: 0.181047, standardDeviation: 0.381019 },
    portrait: { mean: 0.35388, standardDeviation: 0.467214 },
    ball: { mean: 0.186268, standardDeviation: 0.384436 },
  },
  // backdrop
  '29897494bc08014224f9bb7e42c5f57a65c890ec060cb3a65f880d760cd3196c': {
    bottle: { mean: 0.186293, standardDeviation: 0.387488 },
    portrait: { mean: 0.388347, standardDeviation: 0.48434 },
    ball: { mean: 0.258319, standardDeviation: 0.432792 },
  },
  // isnet:medium
  b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb: {
    bottle: { mean: 0.180978, standardDeviation: 0.384142 },
    portrait: { mean: 0.360475, standardDeviation: 0.479441 },
    ball: { mean: 0.181434, standardDeviation: 0.382995 },
  },
  // isnet:small
  '7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a': {
    bottle: { mean: 0.194294, standardDeviation: 0.383696 },
    portrait: { mean: 0.371061, standardDeviation: 0.474881 },
    ball: { mean: 0.187361, standardDeviation: 0.383762 },
  },
}

/** Half precision and other processors move the mean of a mask by less. */
const tolerance = 0.01

export type Comparison =
  | { state: 'as-expected' }
  /** On these pictures. */
  | { state: 'differs'; pictures: TrialPictureName[] }
  /** Nobody has published figures of this file. */
  | { state: 'nothing-known' }

/** Compares a trial with the one that was published for the same file. */
export function compareWithPublished({ sha256, pictures }: Pick<Trial, 'sha256' | 'pictures'>): Comparison {
  const expected = expectedMasks[sha256]
  if (!expected) return { state: 'nothing-known' }
  const differing = pictures.filter(({ picture, alpha }) => {
    const { mean, standardDeviation } = expected[picture]
    return (
      Math.abs(alpha.mean - mean) > tolerance ||
      Math.abs(alpha.standardDeviation - standardDeviation) > tolerance
    )
  })
  if (differing.length === 0) return { state: 'as-expected' }
  return { state: 'differs', pictures: differing.map(({ picture }) => picture) }
}
