/** Items of a shard become candidates, which the spine takes. */
import { RmbgError } from '../errors.ts'
import type { RemoteInputs } from '../process/inputs/remote.ts'
import type { Candidate } from '../process/inputs.ts'
import { shownPath } from '../system/file-names.ts'
import { type Item, itemName, shownItem } from './contract.ts'

/** @param remote makes those of pictures that are no files */
export const candidatesFrom =
  (remote: Pick<RemoteInputs, 'candidateOf'>) =>
  (item: Item): Candidate => {
    if ('broken' in item) return brokenCandidate(item)
    const { below } = item
    if ('url' in item) return remote.candidateOf(item, ' '.repeat(below)) // its length alone counts
    const { path } = item
    return { path, shown: shownPath(path), relative: shownPath(path.slice(below)) }
  }

function brokenCandidate(item: Extract<Item, { broken: object }>): Candidate {
  const shown = shownItem(item)
  const { line, problem } = item.broken
  const inspect = async () => {
    throw new RmbgError('INPUT_UNSUPPORTED', `Line ${line} of the manifest names no picture: ${problem}.`)
  }
  return { path: itemName(item), shown, loggedPath: shown, relative: shown, inspect }
}
