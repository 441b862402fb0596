import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import { devices } from '../model/contract.ts'
import type { runBatch } from '../process/batch.ts'
import type { Destination } from '../process/destination.ts'
import type { RemoteInputs } from '../process/inputs/remote.ts'
import type { Candidates, InputOptions } from '../process/inputs.ts'
import { maxFileBytes } from '../process/source.ts'
import type { ResolvedCutout } from '../settings/cutout-settings.ts'
import { type Preset, withRules } from '../settings/presets.ts'
import { environmentVariable as env, type ResolvedSettings, storeFolder } from '../settings/settings.ts'
import { typedArguments, typedValue, workingDirectory } from '../system/file-names.ts'
import type { Spill } from '../system/spill.ts'
import { cutoutFlags } from './cutout-flags.ts'
import { assertResultStays, keepFlag } from './keep-flag.ts'
import { type LocalWish, outputFlags, planLocalFiles, toOutputFolders } from './output-flags.ts'
import { toStandardOutput } from './standard-output.ts'
import { takeOverFlag } from './take-over.ts'

type BatchOptions = Parameters<typeof runBatch>[2]

const inputFlags = {
  'from-file': Flags.string({
    helpValue: 'FILE',
    description: 'read inputs from this list, one per line or separated by NUL',
  }),
  manifest: Flags.string({
    helpValue: 'FILE|s3://KEY',
    description:
      'also take the pictures whose addresses this manifest names: NDJSON, CSV, Parquet, or the manifest.json of an S3 inventory; - reads standard input',
  }),
  part: Flags.string({
    helpValue: 'I/N',
    description:
      'take only this part of the inputs, such as 3/8; auto in array jobs of AWS Batch, auto/8 in Kubernetes, where the job has 8 completions',
  }),
  ignore: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'GLOB',
    description: `skip inputs that match; repeatable [env: ${env('ignore')}]`,
  }),
  'stdin-name': Flags.string({
    helpValue: 'FILE',
    description: 'what a picture from standard input is called in the log and as a cut-out (default: stdin)',
  }),
  ...outputFlags,
  ...keepFlag,
  originals: Flags.string({
    options: ['reference', 'copy'],
    description: `originals of inputs in a bucket: name them where they lie, or copy them into the store (default: reference) [env: ${env('originals')}]`,
  }),
  checksum: Flags.boolean({
    default: false,
    description: 'compare contents to find what is already done, instead of path, size and time',
    exclusive: ['force'],
  }),
  force: Flags.boolean({ default: false, description: 'process images even if already done' }),
  'take-over': takeOverFlag,
}

const modelFlags = {
  model: Flags.string({
    char: 'm',
    helpValue: 'NAME|FILE.onnx',
    description: `model to use; auto is the best that is installed; see "rmbg model list" (default: auto) [env: ${env('model')}]`,
  }),
  device: Flags.string({
    options: [...devices],
    description: `where to run the model; rmbg stops if the device you name is not available (default: auto) [env: ${env('device')}]`,
  }),
  threads: Flags.integer({
    min: 1,
    description: `threads for one inference (default: all cores) [env: ${env('threads')}]`,
  }),
  'from-mask': Flags.boolean({
    default: false,
    description:
      'make new cut-outs from stored originals and masks, without a model; inputs are files processed before, or job ids',
    exclusive: ['model', 'device', 'threads'],
  }),
}

const limitFlags = {
  concurrency: Flags.integer({
    char: 'c',
    min: 1,
    description: `images in work at once (default: cores + 1, fewer if memory is short) [env: ${env('concurrency')}]`,
  }),
  'max-memory': Flags.string({
    helpValue: 'SIZE',
    description: `memory for the images in work, such as 4GB (default: half of what is available) [env: ${env('maxMemory')}]`,
  }),
  'max-pixels': Flags.integer({
    min: 1,
    description: `reject images with more pixels than this (default: 256000000) [env: ${env('maxPixels')}]`,
  }),
  'allow-svg': Flags.boolean({
    description: `also render SVG files; only for files you trust [env: ${env('allowSvg')}]`,
  }),
  'fail-fast': Flags.boolean({
    default: false,
    description: 'start no more images after the first failure',
    exclusive: ['max-failures'],
  }),
  'max-failures': Flags.integer({
    min: 1,
    helpValue: 'N',
    description: 'start no more images after N failures',
  }),
  'fail-on-review': Flags.string({
    helpValue: 'N%',
    description: `exit with status 8 if more than this share of cut-outs needs review [env: ${env('failOnReview')}]`,
  }),
}

const jobFlags = {
  user: Flags.string({
    char: 'u',
    helpValue: 'ID',
    description: `user the jobs belong to (default: the user of this computer) [env: ${env('user')}]`,
  }),
  tag: Flags.string({
    char: 't',
    multiple: true,
    multipleNonGreedy: true,
    description: `tag for every image; repeatable [env: ${env('tag')}]`,
  }),
}

const printFlags = {
  'dry-run': Flags.boolean({ default: false, description: 'only print what would be done' }),
  json: Flags.boolean({ default: false, description: 'print one JSON object per event (NDJSON)' }),
  yes: Flags.boolean({
    char: 'y',
    default: false,
    description: 'do not ask before a run that takes more than half an hour',
  }),
  quiet: Flags.boolean({
    default: false,
    char: 'q',
    description: 'print only failures',
    exclusive: ['verbose'],
  }),
  verbose: Flags.boolean({ default: false, description: 'print details of every image' }),
  'log-file': Flags.string({
    helpValue: 'FILE',
    description: 'also append every event to this file, one JSON object per line with its time',
  }),
}

/** Flags of `rmbg process`; those of settings stay text until the settings are resolved. */
export const processFlags = {
  ...inputFlags,
  ...modelFlags,
  preset: Flags.string({
    helpGroup: 'CUT-OUT',
    helpValue: 'NAME|FILE.json',
    description: `make and check cut-outs as a marketplace requires; see "rmbg check --help" [env: ${env('preset')}]`,
  }),
  ...cutoutFlags,
  ...jobFlags,
  ...limitFlags,
  ...printFlags,
}

export type ProcessFlags = Interfaces.InferredFlags<typeof processFlags>

/** Flags of commands that take pictures as they come: those that speak of a list, or of its end, make no sense there. */
const {
  'from-file': _fromFile,
  manifest: _manifest,
  part: _part,
  'from-mask': _fromMask,
  'stdin-name': _stdinName,
  'fail-fast': _failFast,
  'max-failures': _maxFailures,
  'fail-on-review': _failOnReview,
  'dry-run': _dryRun,
  yes: _yes,
  ...endlessFlags
} = processFlags

export { endlessFlags }

/** As `rmbg process` would have been called for the same. */
export const asProcessFlags = (flags: Partial<ProcessFlags>): ProcessFlags => ({
  ...noProcessFlags,
  ...flags,
})

/** Of a command line without any flag. */
export const noProcessFlags = Object.fromEntries(
  Object.entries(processFlags).map(([name, flag]) => [
    name,
    flag.type === 'boolean' ? flag.default : undefined,
  ]),
) as ProcessFlags

interface InputWish {
  wish: LocalWish
  /** Of the cut-outs, without a dot. */
  extension: string
  /** Where pictures come from that are no files here; without it there are none. */
  elsewhere?: { spill: Spill; remote: RemoteInputs }
}

/** Where a run finds its images. What it wrote itself is never taken as input. */
export const toInputOptions = (
  flags: ProcessFlags,
  { ignore, home }: ResolvedSettings,
  patterns: readonly string[],
  { wish, extension, elsewhere }: InputWish,
): Omit<InputOptions, 'onNotice'> => ({
  patterns: typedArguments(patterns),
  ...(flags['from-file'] !== undefined && { fromFile: typedValue(flags['from-file']) }),
  ...(flags.manifest !== undefined && { manifest: typedValue(flags.manifest) }),
  isStreamed: isStreamable(wish),
  stdin: process.stdin,
  ...(elsewhere && {
    pictureOnStdin: {
      name: flags['stdin-name'] ?? 'stdin',
      keep: (content) => elsewhere.spill.keep(content, maxFileBytes),
    },
    remote: elsewhere.remote,
  }),
  takesJobs: flags['from-mask'],
  ignore,
  excludeFolders: [storeFolder(home)],
  ...toOutputFolders(wish, extension),
  cwd: workingDirectory(),
})

/** Names of local files are made of all inputs; where there are none, inputs may come as they are found. */
const isStreamable = ({ destination, masks }: LocalWish): boolean =>
  (destination.to === 'store' || destination.to === 'bucket') && masks === undefined

interface BatchWish {
  flags: ProcessFlags
  wish: LocalWish
  settings: ResolvedSettings
  cutout: ResolvedCutout
  preset: Preset | undefined
  candidates: Candidates
  /** How local files are named; default: by all candidates. */
  plan?: typeof planLocalFiles
}

/** What a batch is to do; not what stops it, nor who listens. */
export function toBatchOptions(wish: BatchWish): Omit<BatchOptions, 'signal' | 'onEvent'> {
  const { flags, wish: local, settings, cutout, preset, candidates, plan = planLocalFiles } = wish
  const isLocal = local.destination.to !== 'store' || local.masks !== undefined
  assertResultStays(settings.keep, { isLocal })
  return {
    user: settings.user,
    tags: settings.tag,
    concurrency: settings.concurrency,
    maxMemory: settings.maxMemory,
    maxPixels: settings.maxPixels,
    allowSvg: settings.allowSvg ?? false,
    ...withRules(cutout, preset),
    keep: settings.keep,
    originals: settings.originals,
    ...namedPlace(local.destination),
    ...plan(candidates, local, cutout.extension),
    ...(local.destination.to === 'standard output' && {
      deliver: { what: 'cutout' as const, to: toStandardOutput },
    }),
    overwrite: flags.overwrite,
    checksum: flags.checksum,
    force: flags.force,
    dryRun: flags['dry-run'],
    maxFailures: flags['fail-fast'] ? 1 : (flags['max-failures'] ?? Number.POSITIVE_INFINITY),
  }
}

/** Where a person looks for the cut-outs. */
function namedPlace(destination: Destination): Pick<BatchOptions, 'output' | 'besideInputs'> {
  if (destination.to === 'folder') return { output: destination.folder }
  if (destination.to === 'file') return { output: destination.path }
  if (destination.to === 'bucket') return { output: `s3://${destination.bucket}/${destination.prefix}` }
  return destination.to === 'inputs' ? { besideInputs: true } : {}
}
