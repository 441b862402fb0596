import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import { seconds } from './flags.ts'
import { type ProcessFlags, processFlags } from './process-flags.ts'

/** Those that make no sense for folders in which pictures keep coming. */
const {
  'from-file': _fromFile,
  'from-mask': _fromMask,
  'stdin-name': _stdinName,
  'fail-fast': _failFast,
  'max-failures': _maxFailures,
  'fail-on-review': _failOnReview,
  'dry-run': _dryRun,
  yes: _yes,
  ...shared
} = processFlags

/** Flags of `rmbg watch`: those of `rmbg process`, and how to watch. */
export const watchFlags = {
  settle: seconds({
    helpGroup: 'WATCH',
    default: 2,
    defaultHelp: async () => '2s',
    description: 'how long a file has to stay as it is before it is taken',
  }),
  poll: Flags.boolean({
    helpGroup: 'WATCH',
    default: false,
    description:
      'look for changes every 2 seconds, where the system tells of none: network folders, containers',
  }),
  ...shared,
}

export type WatchFlags = Interfaces.InferredFlags<typeof watchFlags>

/** As `rmbg process` would have been called for the same. */
export const asProcessFlags = (flags: WatchFlags): ProcessFlags => ({
  ...flags,
  'from-file': undefined,
  'from-mask': false,
  'stdin-name': undefined,
  'fail-fast': false,
  'max-failures': undefined,
  'fail-on-review': undefined,
  'dry-run': false,
  yes: false,
})
