/** Items of a shard become candidates, which the spine takes. */
import { RmbgError } from '../errors.ts'
import type { RemoteInputs } from '../process/inputs/remote.ts'
import type { Candidate } from '../process/inputs.ts'
import { shownPath } from '../system/file-names.ts'
import { type BrokenItem, type CampaignSettings, type Item, itemName, shownItem } from './contract.ts'

/** @param remote makes those of pictures that are no files */
export const candidatesFrom =
  (remote: Pick<RemoteInputs, 'candidateOf'>) =>
  (item: Item, { outputBucket }: Pick<CampaignSettings, 'outputBucket'>): Candidate => {
    if ('broken' in item) return failing(item, brokenLine(item))
    if (outputBucket && liesIn(item, outputBucket)) return failing(item, ownCutout())
    const { below } = item
    if ('url' in item) return remote.candidateOf(item, ' '.repeat(below)) // its length alone counts
    const { path } = item
    return { path, shown: shownPath(path), relative: shownPath(path.slice(below)) }
  }

/** It fails by name, and alone. */
function failing(item: Item, failure: RmbgError): Candidate {
  const shown = shownItem(item)
  const inspect = () => Promise.reject(failure)
  return { path: itemName(item), shown, loggedPath: shown, relative: shown, inspect }
}

const brokenLine = ({ broken: { line, problem } }: BrokenItem): RmbgError =>
  new RmbgError('INPUT_UNSUPPORTED', `Line ${line} of the manifest names no picture: ${problem}.`)

/** A manifest may name what an earlier campaign has made: cut-outs of cut-outs would never end. */
const liesIn = (item: Item, { name, prefix }: { name: string; prefix: string }): boolean =>
  'url' in item && item.url.startsWith(`s3://${name}/${prefix}`)

const ownCutout = (): RmbgError =>
  new RmbgError(
    'INPUT_UNSUPPORTED',
    'This object lies where the cut-outs of the campaign go, and is no input.',
  )
