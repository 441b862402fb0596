/** Items of a shard become candidates, which the spine takes. */
import { RmbgError } from '../errors.ts'
import type { Candidate } from '../process/inputs.ts'
import { shownPath } from '../system/file-names.ts'
import type { Item } from './contract.ts'

export function candidateOf(item: Item): Candidate {
  if (!('path' in item)) throw new RmbgError('INPUT_UNSUPPORTED', 'Addresses are not read yet.')
  const { path, below } = item
  return { path, shown: shownPath(path), relative: shownPath(path.slice(below)) }
}
