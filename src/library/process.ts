/** `rmbg process` without its command line. */
import type { Context } from '../context.ts'
import type { SummaryEvent } from '../process/events.ts'
import { resolveSettings } from '../settings/settings.ts'
import type { ProcessOptions } from './options.ts'

interface Inputs {
  context: Context
  /** All options, by the names of their flags. */
  flags: Record<string, unknown>
  options: ProcessOptions
}

/** @throws RmbgError what would have failed every other picture as well */
export async function processInputs(
  patterns: readonly string[],
  { context, flags: given, options }: Inputs,
): Promise<SummaryEvent> {
  const { signal = new AbortController().signal, onEvent = () => {} } = options
  const [{ noProcessFlags, toBatchOptions, toInputOptions }, { openBatchServices, resolveRecipe }] =
    await Promise.all([import('../terminal/process-flags.ts'), import('../terminal/batch-services.ts')])
  const [{ remoteInputs }, { collectInputs }, { runBatch }, { openSpill }] = await Promise.all([
    import('../process/inputs/remote.ts'),
    import('../process/inputs.ts'),
    import('../process/batch.ts'),
    import('../system/spill.ts'),
  ])
  const settings = await resolveSettings(given)
  const flags = { ...noProcessFlags, ...chosen(options) }
  const stop = { signal, status: () => 0, release: () => {} }
  const spill = openSpill()
  const remote = remoteInputs({ bucket: context.inputBucket, spill, signal })
  try {
    const recipe = await resolveRecipe(settings, flags)
    const { wish, cutout } = recipe
    const wished = { wish, extension: cutout.extension, elsewhere: { spill, remote } }
    const inputs = { ...toInputOptions(flags, settings, patterns, wished), onNotice: onEvent }
    const candidates = await collectInputs(inputs)
    const batch = toBatchOptions({ flags, settings, candidates, ...recipe })
    const services = await openBatchServices({ settings, context, stop }, flags, onEvent)
    return await runBatch(candidates, services, { ...batch, signal, onEvent })
  } finally {
    await remote.close()
    await spill.close()
  }
}

/** Options that are flags of the command and no settings. */
function chosen({ output, suffix, overwrite, checksum, force, dryRun, maxFailures }: ProcessOptions) {
  return {
    ...{ output, suffix, 'max-failures': maxFailures },
    ...{ overwrite: overwrite ?? false, checksum: checksum ?? false },
    ...{ force: force ?? false, 'dry-run': dryRun ?? false },
  }
}
