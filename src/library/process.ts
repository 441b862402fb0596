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
export async function processAsAsked(
  patterns: readonly string[],
  { context, flags: given, options }: Inputs,
): Promise<SummaryEvent> {
  const { signal = new AbortController().signal, onEvent = () => {} } = options
  const [{ noProcessFlags }, { processInputs }] = await Promise.all([
    import('../terminal/process-flags.ts'),
    import('../terminal/process-inputs.ts'),
  ])
  const settings = await resolveSettings(given)
  // Quiet: nobody is at a terminal to be asked.
  const flags = { ...noProcessFlags, ...chosen(options), quiet: true }
  const stop = { signal, status: () => 0, release: () => {} }
  return processInputs({ settings, context, stop }, patterns, flags, onEvent)
}

/** Options that are flags of the command and no settings. */
function chosen(options: ProcessOptions) {
  const { output, suffix, overwrite, checksum, force, dryRun, maxFailures, manifest, part } = options
  return {
    ...{ output, suffix, manifest, part, 'max-failures': maxFailures },
    ...{ overwrite: overwrite ?? false, checksum: checksum ?? false },
    ...{ force: force ?? false, 'dry-run': dryRun ?? false },
  }
}
