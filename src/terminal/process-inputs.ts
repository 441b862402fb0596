/** `rmbg process` behind its command line: for the command, and for callers of the library. */
import type { SummaryEvent } from '../process/events.ts'
import { remoteInputs } from '../process/inputs/remote.ts'
import { collectInputs } from '../process/inputs.ts'
import { workingDirectory } from '../system/file-names.ts'
import { openSpill } from '../system/spill.ts'
import { openBatchServices, resolveRecipe } from './batch-services.ts'
import type { Frame } from './command.ts'
import { foretell } from './foretell.ts'
import type { Printer } from './printers/printer.ts'
import { type ProcessFlags, toBatchOptions, toInputOptions } from './process-flags.ts'

/** @throws RmbgError what would have failed every other image as well */
export async function processInputs(
  frame: Frame,
  patterns: readonly string[],
  flags: ProcessFlags,
  print: Printer,
): Promise<SummaryEvent> {
  const { settings, context, stop } = frame
  const spill = openSpill()
  const { inputBucket: bucket, isOwnObject: isOwn, patience } = context
  const places = { stdin: process.stdin, cwd: workingDirectory() }
  const remote = remoteInputs({ bucket, isOwn, patience, spill, ...places, signal: stop.signal })
  try {
    const recipe = await resolveRecipe(settings, flags)
    const { wish, cutout } = recipe
    const inputs = { wish, extension: cutout.extension, elsewhere: { spill, remote } }
    const candidates = await collectInputs({
      ...toInputOptions(flags, settings, patterns, inputs),
      onNotice: print,
    })
    const options = toBatchOptions({ flags, settings, candidates, ...recipe })
    const services = await openBatchServices(frame, flags, print)
    await foretell(candidates, services, { ...flags, ...options, print })
    const { runBatch } = await import('../process/batch.ts')
    return await runBatch(candidates, services, { ...options, signal: stop.signal, onEvent: print })
  } finally {
    await remote.close()
    await spill.close()
  }
}
