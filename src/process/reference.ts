/** Which originals stay where they are: those of inputs in a bucket, unless they are to be copied. */
import type { ObjectKind } from '../store/contract.ts'
import type { Batch } from './contract.ts'
import type { Source } from './source.ts'

/** The address that the row names in the place of a key; undefined where the original is copied, or not kept. */
export const referenceIn = (
  { originals }: Pick<Batch, 'originals'>,
  { reference }: Source,
): string | undefined => (originals === 'reference' ? reference : undefined)

/**
 * What is stored of this image. A referenced original is not among it: so nothing that goes over the objects of a job
 * (prune, orphans, clean, backup) ever reaches it.
 */
export const keptOf = (batch: Pick<Batch, 'originals' | 'keep'>, source: Source): readonly ObjectKind[] =>
  referenceIn(batch, source) === undefined ? batch.keep : batch.keep.filter((kind) => kind !== 'original')
