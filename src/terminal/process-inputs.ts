/** `rmbg process` behind its command line: for the command, and for callers of the library. */
import { RmbgError } from '../errors.ts'
import { assertApart, type Destination, liesIn } from '../process/destination.ts'
import type { SummaryEvent } from '../process/events.ts'
import { isBucketAddress } from '../process/inputs/addresses.ts'
import { inPart, partOf } from '../process/inputs/part.ts'
import { remoteInputs } from '../process/inputs/remote.ts'
import { collectInputs } from '../process/inputs.ts'
import { workingDirectory } from '../system/file-names.ts'
import { openSpill } from '../system/spill.ts'
import { openBatchServices, openOutput, resolveRecipe } from './batch-services.ts'
import type { Frame } from './command.ts'
import { foretell } from './foretell.ts'
import type { Printer } from './printers/printer.ts'
import { type ProcessFlags, toBatchOptions, toInputOptions } from './process-flags.ts'

/** A manifest may name an object later whose place a cut-out has taken before. @throws RmbgError REFUSED */
function assertNoInputIsReplaced({ to }: Destination, { manifest, overwrite }: ProcessFlags): void {
  if (to !== 'bucket' || manifest === undefined || !overwrite) return
  throw new RmbgError('REFUSED', '--overwrite could replace inputs that the manifest names.', {
    hint: 'Leave --overwrite out, or choose a new prefix for --output.',
  })
}

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
  const recipe = await resolveRecipe(settings, flags)
  const { wish, cutout } = recipe
  const isOutput = (name: string, key: string) => liesIn(wish.destination, name, key)
  const places = { stdin: process.stdin, cwd: workingDirectory() }
  const remote = remoteInputs({ bucket, isOwn, isOutput, patience, spill, ...places, signal: stop.signal })
  try {
    const inputs = { wish, extension: cutout.extension, elsewhere: { spill, remote } }
    const part = flags.part === undefined ? undefined : partOf(flags.part, process.env)
    assertApart(wish.destination, patterns.filter(isBucketAddress))
    assertNoInputIsReplaced(wish.destination, flags)
    const candidates = await collectInputs({
      ...toInputOptions(flags, settings, patterns, inputs),
      onNotice: print,
    })
    const options = toBatchOptions({ flags, settings, candidates, ...recipe })
    const services = await openBatchServices(frame, flags, print)
    const outputBucket = await openOutput(context, recipe)
    const chosen = part ? inPart(candidates, part) : candidates
    await foretell(chosen, services, { ...flags, ...options, print })
    const { runBatch } = await import('../process/batch.ts')
    return await runBatch(chosen, services, {
      ...{ ...options, outputBucket, inputs: candidates, signal: stop.signal, onEvent: print },
    })
  } finally {
    await remote.close()
    await spill.close()
  }
}
