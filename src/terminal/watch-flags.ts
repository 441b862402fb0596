import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import { seconds } from './flags.ts'
import { endlessFlags } from './process-flags.ts'

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
  ...endlessFlags,
}

export type WatchFlags = Interfaces.InferredFlags<typeof watchFlags>
