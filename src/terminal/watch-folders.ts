/** `rmbg watch` of folders, behind its command line. */
import { stat } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { RmbgError } from '../errors.ts'
import type { SummaryEvent } from '../process/events.ts'
import { collectInputs, type InputOptions } from '../process/inputs.ts'
import { systemPath } from '../system/file-names.ts'
import { openBatchServices, openOutput, resolveRecipe } from './batch-services.ts'
import type { Frame } from './command.ts'
import { onceEach } from './printers/once-each.ts'
import type { Printer } from './printers/printer.ts'
import { asProcessFlags, toBatchOptions, toInputOptions } from './process-flags.ts'
import type { WatchFlags } from './watch-flags.ts'

const usualSettleSeconds = 2

/** @throws RmbgError what would have failed every other image as well */
export async function watchFolderInputs(
  frame: Frame,
  patterns: readonly string[],
  watchFlags: WatchFlags,
  print: Printer,
): Promise<SummaryEvent> {
  const { settings, stop } = frame
  const flags = asProcessFlags(watchFlags)
  const recipe = await resolveRecipe(settings, flags)
  const { wish, cutout } = recipe
  const inputs = toInputOptions(flags, settings, patterns, { wish, extension: cutout.extension })
  const folders = await assertFolders(inputs)
  if (wish.destination.to === 'file' || wish.destination.to === 'standard output')
    throw new RmbgError('USAGE', 'rmbg watch writes many cut-outs. Name a folder with --output.')
  const written = [...(inputs.outputFolders ?? []), ...(inputs.maskFolders ?? [])]
  const services = await openBatchServices(frame, flags, print)
  const outputBucket = await openOutput(frame.context, recipe)
  const { watchFolders } = await import('../process/watch.ts')
  // What was left out is told at the first search, not at every one.
  const notices = onceEach(print)
  return await watchFolders(services, {
    folders,
    settleMs: (watchFlags.settle ?? usualSettleSeconds) * 1000,
    poll: watchFlags.poll,
    excludeFolders: [...inputs.excludeFolders, ...written.filter((folder) => !folders.includes(folder))],
    find: () => collectInputs({ ...inputs, patterns: folders, mayBeEmpty: true, onNotice: notices }),
    batchOptions: (candidates) => ({
      ...{ ...toBatchOptions({ flags, settings, candidates, ...recipe }), outputBucket },
    }),
    signal: stop.signal,
    onEvent: print,
  })
}

/**
 * @returns absolute
 * @throws RmbgError USAGE for what is no folder, and for one that we write to
 */
async function assertFolders({
  patterns,
  cwd,
  excludeFolders,
  outputFolders = [],
  maskFolders = [],
  cutoutEnding,
}: Omit<InputOptions, 'onNotice'>): Promise<string[]> {
  const folders = patterns.map((path) => resolve(cwd, path))
  // In the watched folder itself, cut-outs need names of their own.
  const own = [...excludeFolders, ...maskFolders, ...(cutoutEnding === undefined ? outputFolders : [])]
  for (const folder of folders) {
    if (own.some((each) => folder === each || folder.startsWith(each + sep))) {
      throw new RmbgError('USAGE', `${folder} lies in a folder that rmbg writes to.`, {
        hint: 'Choose another --output: beside the watched folder, or a folder inside it; or add --suffix -cutout.',
      })
    }
    const found = await stat(systemPath(folder)).catch(() => undefined)
    if (found?.isDirectory()) continue
    throw new RmbgError('USAGE', `${folder} is ${found ? 'no folder' : 'not there'}.`, {
      hint: 'Name folders that exist. Single pictures are for rmbg process.',
    })
  }
  return folders
}
