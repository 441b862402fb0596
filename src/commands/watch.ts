import { stat } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import * as Args from '@oclif/core/args'
import { RmbgError } from '../errors.ts'
import type { BatchEvent, SummaryEvent } from '../process/events.ts'
import { collectInputs, type InputOptions } from '../process/inputs.ts'
import { systemPath } from '../system/file-names.ts'
import { BatchCommand } from '../terminal/batch-command.ts'
import { openBatchServices, openOutput, resolveRecipe } from '../terminal/batch-services.ts'
import type { Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { listeners } from '../terminal/printers/choose.ts'
import { linesPrinter } from '../terminal/printers/lines.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { asProcessFlags, toBatchOptions, toInputOptions } from '../terminal/process-flags.ts'
import { type WatchFlags, watchFlags } from '../terminal/watch-flags.ts'

export default class Watch extends BatchCommand {
  static override summary = 'Watch folders and remove the background of every picture that comes.'
  static override description =
    `Does what rmbg process would do, and goes on: a picture that is put into the folder, or changed, is taken as soon as it is completely written. What came while nobody watched is done at the start. A picture that fails is told of and stops nothing; it is tried again when it changes, or at the next start. The cut-outs may go into a folder inside: they are never taken as inputs.

Ctrl-C and SIGTERM finish the images in work and end with status 0.

Exit status: ${exitStatus.done} ended by Ctrl-C or SIGTERM, ${exitStatus.unexpected} unexpected error, ${exitStatus.usage} wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.model} model.`
  static override examples = [
    '<%= config.bin %> watch inbox --output cutouts',
    '<%= config.bin %> watch /mnt/share/inbox --poll --settle 10s --output /mnt/share/cutouts --json',
  ]
  static override strict = false
  static override args = {
    folders: Args.string({ ignoreStdin: true, required: true, description: 'folders to watch' }),
  }
  static override flags = watchFlags

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Watch)
    const print = this.listen(await listeners(flags, flags.json ? undefined : newsPrinter(flags)))
    await this.withContext((frame) => this.#watch(frame, argv as string[], flags, print), {
      flags,
      onStop: 'images in work are finished first',
      tell: (message) => print({ type: 'notice', code: 'stopping', message }),
      tellOfWaiting: (news) => print({ type: 'notice', ...news }),
    })
  }

  async #watch(
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
    const notices = firstTime(print)
    return await watchFolders(services, {
      folders,
      settleMs: watchFlags.settle * 1000,
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

/** What was left out is told at the first search, not at every one. */
function firstTime(print: Printer): Printer {
  const told = new Set<string>()
  return (event) => {
    const what = event.type === 'notice' ? event.code : event.type
    if (told.has(what)) return
    told.add(what)
    print(event)
  }
}

/** A line for each picture that was done or failed; what was done before is no news. */
function newsPrinter(flags: { quiet: boolean; verbose: boolean }): Printer {
  const print = linesPrinter(flags)
  const isNews = (event: BatchEvent) =>
    flags.verbose ||
    event.type !== 'image' ||
    event.status !== 'skipped' ||
    event.output?.state === 'restored'
  return (event) => {
    if (isNews(event)) print(event)
  }
}
