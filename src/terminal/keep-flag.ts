import * as Flags from '@oclif/core/flags'
import { RmbgError } from '../errors.ts'
import { environmentVariable as env, type ResolvedSettings } from '../settings/settings.ts'

export const keepFlag = {
  keep: Flags.string({
    helpValue: 'KINDS',
    description: `what to store of every image: original, mask, processed, several of them, or none (default: original,mask,processed) [env: ${env('keep')}]`,
  }),
}

/**
 * Refuses a run after which nothing would be left of the work.
 *
 * @param isLocal whether there are local files
 * @throws RmbgError USAGE
 */
export function assertResultStays(keep: ResolvedSettings['keep'], { isLocal }: { isLocal: boolean }): void {
  if (isLocal || keep.includes('mask') || keep.includes('processed')) return
  const named = keep.length === 0 ? 'none' : keep.join(',')
  throw new RmbgError(
    'USAGE',
    `With --keep ${named} and no --output or --masks, neither mask nor cut-out would stay.`,
    {
      hint: 'Name a folder with --output, or keep the mask or the cut-out.',
    },
  )
}
