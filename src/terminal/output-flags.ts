/** The flags of local files, and the plan that they make together. */
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { RmbgError, unexpected } from '../errors.ts'
import { type Destination, destinationOf, outputFolder } from '../process/destination.ts'
import type { Candidates, InputOptions } from '../process/inputs.ts'
import {
  type LocalPath,
  planBesideInputs,
  planFile,
  planOutputs,
  planWholeNames,
} from '../process/outputs.ts'
import { environmentVariable as env, type ResolvedSettings } from '../settings/settings.ts'
import { pathOf, systemPath, typedValue, workingDirectory } from '../system/file-names.ts'

export const outputFlags = {
  output: Flags.string({
    char: 'o',
    helpValue: 'DIR|FILE|s3://PREFIX|-',
    description: `also write the cut-outs into this folder, or below this prefix of a bucket, in the same subfolders as the inputs; for one input also a file such as cutout.png, or - for standard output [env: ${env('output')}]`,
  }),
  suffix: Flags.string({
    helpValue: 'TEXT',
    description:
      "put this into the cut-outs' names: with -cutout, a.jpg becomes a-cutout.png; without --output, beside its input",
    parse: async (given) => {
      const text = given.replace(guard, '')
      if (/^[^/\\\p{Cc}]{1,100}$/u.test(text)) return text
      throw unexpected('--suffix', 'a part of a file name, such as -cutout,', text)
    },
  }),
  masks: Flags.string({
    helpValue: 'DIR',
    description: `also write the masks into this folder, named as the inputs and in the same subfolders [env: ${env('masks')}]`,
  }),
  overwrite: Flags.boolean({
    default: false,
    description:
      'in the place of cut-outs and masks, also replace files that rmbg did not make; never an input',
  }),
}

/** No argument holds this. */
const guard = '\0'

/** oclif takes `-cutout`, which is a usual suffix, for `-c`. @param args of the command line */
export function guardSuffix(args: readonly string[]): string[] {
  const flag = '--suffix'
  const joined = args.map((arg) => (arg.startsWith(`${flag}=-`) ? arg.replace('=', `=${guard}`) : arg))
  const at = joined.indexOf(flag)
  const value = joined[at + 1] ?? ''
  if (at === -1 || !/^-[^-]./.test(value)) return joined
  return [...joined.slice(0, at), `${flag}=${guard}${value}`, ...joined.slice(at + 2)]
}

/** Where the local files of a run go. */
export interface LocalWish {
  destination: Destination
  /** Absolute; undefined without `--masks`. */
  masks: string | undefined
}

interface TypedWish {
  suffix: string | undefined
  json: boolean
  /** Whether `--output` is a flag of this command line, and no setting from elsewhere. */
  isTyped: boolean
  /** Whether standard output is a terminal. */
  isTerminal: boolean
}

/**
 * Puts `--output`, `--suffix` and `--masks` together.
 *
 * @throws RmbgError USAGE
 */
export function toLocalWish(
  { output, masks }: Pick<ResolvedSettings, 'output' | 'masks'>,
  { suffix, json, isTyped, isTerminal }: TypedWish,
): LocalWish {
  const cwd = workingDirectory()
  const destination = destinationOf({ output: output && typedValue(output), suffix }, cwd)
  if (destination.to === 'standard output' && !isTyped) {
    throw new RmbgError('USAGE', 'Only the flag --output can name standard output.', {
      hint: `Let ${env('output')} name a folder.`,
    })
  }
  if (destination.to === 'standard output' && isTerminal) {
    throw new RmbgError('USAGE', 'The bytes of a picture are not for a terminal.', {
      hint: 'Lead standard output into a file or a program: rmbg process photo.jpg -o - > cutout.png',
    })
  }
  if (destination.to === 'standard output' && json) {
    throw new RmbgError('USAGE', '--json and --output - both want standard output.', {
      hint: 'Leave one of them out, or name a file: --output cutout.png',
    })
  }
  if (masks !== undefined && /^s3:\/\//i.test(masks)) {
    throw new RmbgError('USAGE', '--masks takes a folder, and no bucket.', {
      hint: 'All masks are in the store: rmbg query --download FOLDER --kind mask.',
    })
  }
  const maskFolder =
    masks === undefined ? undefined : outputFolder('--masks', resolve(cwd, typedValue(masks)))
  return { destination, masks: maskFolder }
}

/** What the search for inputs has to know of the outputs. @param extension of the cut-outs, without a dot */
export const toOutputFolders = (
  { destination, masks }: LocalWish,
  extension: string,
): Pick<InputOptions, 'outputFolders' | 'maskFolders' | 'cutoutEnding'> => ({
  outputFolders: destination.to === 'folder' ? folderAndItsTarget(destination.folder) : [],
  maskFolders: masks === undefined ? [] : folderAndItsTarget(masks),
  ...('suffix' in destination &&
    destination.to !== 'bucket' &&
    destination.suffix !== '' && { cutoutEnding: `${destination.suffix}.${extension}` }),
})

/** A folder that is reached through a link is found under its real path as well. */
function folderAndItsTarget(folder: string): string[] {
  try {
    return [folder, pathOf(realpathSync(systemPath(folder), 'buffer'))]
  } catch {
    return [folder] // not there yet
  }
}

/** Where each local file goes. */
interface LocalPlan {
  outputOf: LocalPath | undefined
  maskOf: LocalPath | undefined
}

/**
 * Names the local files of all candidates.
 *
 * @param extension of the cut-outs, without a dot
 * @throws RmbgError USAGE when files would share a place
 */
export function planLocalFiles(
  candidates: Candidates,
  { destination, masks }: LocalWish,
  extension: string,
): LocalPlan {
  const outputOf = planCutouts(candidates, destination, extension)
  if (masks === undefined) return { outputOf, maskOf: undefined }
  const maskOf = planOutputs(candidates, masks, 'png')
  const [first] = candidates
  const isSameFolder =
    destination.to === 'folder' && destination.folder === masks && destination.suffix === ''
  const isSameFile = destination.to === 'file' && first !== undefined && maskOf(first) === destination.path
  if ((isSameFolder && extension === 'png') || isSameFile) {
    throw new RmbgError('USAGE', `Cut-outs and masks would have the same names in ${masks}.`, {
      hint: 'Choose another folder for --masks, or add --suffix -cutout.',
    })
  }
  return { outputOf, maskOf }
}

/**
 * Names local files while nobody knows which inputs are still to come.
 *
 * @param extension of the cut-outs, without a dot
 * @throws RmbgError USAGE for a place that takes one cut-out, or lies beside inputs that lie in no folder
 */
export function planEndlessFiles(
  _: Candidates,
  { destination, masks }: LocalWish,
  extension: string,
): LocalPlan {
  if (!['store', 'folder', 'bucket'].includes(destination.to))
    throw new RmbgError(
      'USAGE',
      'The cut-outs of a bucket need a folder or a bucket. Name one with --output, or none.',
    )
  const folder = destination.to === 'folder' ? destination : undefined
  if (folder && folder.folder === masks && folder.suffix === '' && extension === 'png') {
    throw new RmbgError('USAGE', `Cut-outs and masks would have the same names in ${masks}.`, {
      hint: 'Choose another folder for --masks, or add --suffix -cutout.',
    })
  }
  return {
    outputOf: folder && planWholeNames(folder.folder, extension, folder.suffix),
    maskOf: masks === undefined ? undefined : planWholeNames(masks, 'png'),
  }
}

function planCutouts(
  candidates: Candidates,
  destination: Destination,
  extension: string,
): LocalPath | undefined {
  switch (destination.to) {
    case 'store':
    case 'bucket':
      return undefined
    case 'folder':
      return planOutputs(candidates, destination.folder, extension, destination.suffix)
    case 'inputs':
      return planBesideInputs(candidates, extension, destination.suffix)
    case 'file':
      return planFile(candidates, destination.path)
    case 'standard output':
      if (candidates.length === 1) return undefined
      throw new RmbgError(
        'USAGE',
        `Standard output takes one cut-out, and there are ${candidates.length.toLocaleString('en')} inputs.`,
        { hint: 'Name one picture, or a folder with --output.' },
      )
  }
}
