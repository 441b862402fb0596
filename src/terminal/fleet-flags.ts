/** Flags of the commands by which many machines share work. */
import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import { unexpected } from '../errors.ts'
import { cutoutFlags } from './cutout-flags.ts'
import { seconds, size } from './flags.ts'
import { metricsFlag } from './metrics-flag.ts'
import { processFlags } from './process-flags.ts'

const helpGroup = 'FLEET'

/**
 * A campaign's name is typed, and stands in labels and URLs.
 *
 * @throws RmbgError USAGE
 */
export function campaignNameOf(what: string, text: string): string {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._-]{0,99}$/u.test(text)) return text
  throw unexpected(what, 'letters, digits, dots, dashes and underscores', text)
}

const nameFlag = (description: string) => ({
  helpGroup,
  helpValue: 'NAME',
  description,
  parse: async (input: string) => campaignNameOf('--name', input),
})

const p = processFlags

/** Flags of `rmbg enqueue`: what every worker is to do alike. */
export const enqueueFlags = {
  name: Flags.string(
    nameFlag(
      'name of the campaign (default: made of the inputs and settings, so that the same command goes on)',
    ),
  ),
  manifest: Flags.string({
    helpGroup,
    helpValue: 'FILE|s3://...',
    description:
      'take the addresses in this file: NDJSON, CSV, Parquet, or the manifest.json of an S3 inventory',
  }),
  listers: Flags.integer({
    helpGroup,
    min: 1,
    max: 256,
    default: 16,
    description: 'requests at once while a bucket is listed',
  }),
  shard: Flags.integer({
    helpGroup,
    min: 1,
    max: 10_000,
    default: 100,
    description: 'images that a worker takes at a time',
  }),
  priority: Flags.integer({
    helpGroup,
    min: -1000,
    max: 1000,
    default: 0,
    description: 'campaigns with a higher one are worked on first',
  }),
  add: Flags.boolean({
    helpGroup,
    default: false,
    description: 'add these inputs to a campaign that has others',
  }),
  ...{
    ignore: p.ignore,
    output: p.output,
    suffix: p.suffix,
    masks: p.masks,
    keep: p.keep,
    originals: p.originals,
  },
  ...{ checksum: p.checksum, force: p.force, model: p.model, preset: p.preset },
  ...cutoutFlags,
  ...{ user: p.user, tag: p.tag, 'max-pixels': p['max-pixels'], 'allow-svg': p['allow-svg'] },
}

export type EnqueueFlags = Interfaces.InferredFlags<typeof enqueueFlags>

/** Flags of `rmbg work`: what one machine brings along. */
export const workFlags = {
  name: Flags.string({
    ...nameFlag('work on this campaign only; repeatable (default: all, the most urgent first)'),
    multiple: true,
    multipleNonGreedy: true,
  }),
  drain: Flags.boolean({
    helpGroup,
    default: false,
    description: 'end when nothing is left to do, with status 3 if images failed',
  }),
  prefetch: size({
    helpGroup,
    default: 256 * 2 ** 20,
    defaultHelp: async () => '256MB',
    description: 'read files ahead, up to so many bytes',
  }),
  grace: seconds({
    helpGroup,
    default: 110,
    defaultHelp: async () => '110s',
    description: 'after SIGTERM, how long images in work may take before they go back into the queue',
  }),
  ...metricsFlag,
  ...{ concurrency: p.concurrency, 'max-memory': p['max-memory'], device: p.device, threads: p.threads },
  ...{
    'take-over': p['take-over'],
    json: p.json,
    quiet: p.quiet,
    verbose: p.verbose,
    'log-file': p['log-file'],
  },
}

export type WorkFlags = Interfaces.InferredFlags<typeof workFlags>
