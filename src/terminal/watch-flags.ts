import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import { unexpected } from '../errors.ts'
import { environmentVariable as env } from '../settings/settings.ts'
import { parseSeconds } from '../settings/when.ts'
import { seconds } from './flags.ts'
import { metricsFlag } from './metrics-flag.ts'
import { endlessFlags } from './process-flags.ts'

const folders = 'FOLDERS'
const buckets = 'BUCKETS'

/** Flags of `rmbg watch`: those of `rmbg process`, and how to watch. */
export const watchFlags = {
  settle: seconds({
    helpGroup: folders,
    description: 'how long a file has to stay as it is before it is taken (default: 2s)',
  }),
  poll: Flags.boolean({
    helpGroup: folders,
    default: false,
    description:
      'look for changes every 2 seconds, where the system tells of none: network folders, containers',
  }),
  listen: Flags.string({
    helpGroup: buckets,
    helpValue: '[HOST:]PORT',
    description:
      'take event notifications over HTTP (Amazon S3, SNS, EventBridge, Ceph, MinIO); other machines are let in only with a secret',
    exclusive: ['sqs'],
  }),
  secret: Flags.string({
    helpGroup: buckets,
    helpValue: 'TEXT',
    description: `what senders of notifications have to know, 16 characters or more; everybody on this machine sees a flag [env: ${env('watchSecret')}]`,
    dependsOn: ['listen'],
  }),
  'secret-file': Flags.string({
    helpGroup: buckets,
    helpValue: 'FILE',
    description: 'read the secret from this file',
    dependsOn: ['listen'],
  }),
  sqs: Flags.string({
    helpGroup: buckets,
    helpValue: 'URL',
    description: 'take event notifications from this queue of Amazon SQS',
  }),
  'list-every': Flags.custom<number>({
    helpGroup: buckets,
    helpValue: 'DURATION',
    description:
      'list the buckets at the start, and again this long after the last list began, because a notification may get lost; never is for --sqs alone (default: 15m)',
    parse: async (input) => {
      if (input.trim() === 'never') return Number.POSITIVE_INFINITY
      const given = parseSeconds('list-every', input)
      if (given > 0) return given
      throw unexpected('--list-every', 'a duration such as 15m, or never,', input)
    },
  })(),
  'max-waiting': Flags.integer({
    helpGroup: buckets,
    min: 1,
    description: 'ask senders to send again while so many notifications wait (default: 10000)',
    dependsOn: ['listen'],
  }),
  ...metricsFlag,
  ...endlessFlags,
}

export type WatchFlags = Interfaces.InferredFlags<typeof watchFlags>
