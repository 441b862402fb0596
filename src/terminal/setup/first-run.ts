import { RmbgError } from '../../errors.ts'
import type { ResolvedSettings } from '../../settings/settings.ts'
import { isTerminal } from '../confirm.ts'
import type { ProcessFlags } from '../process-flags.ts'

export interface FirstRunOptions {
  signal: AbortSignal
  tell: (message: string) => void
}

/** Whether somebody watches who wants to be talked to: a script, and `--quiet`, do not. */
function isConversation(flags: ProcessFlags, env: NodeJS.ProcessEnv): boolean {
  const isSilent = flags.json || flags.quiet || flags['dry-run'] || flags['from-mask']
  const isCi = !['', '0', 'false'].includes((env.CI ?? '').toLowerCase())
  return !isSilent && !isCi && isTerminal() && Boolean(process.stdout.isTTY)
}

/**
 * Before a first run on a terminal: offers a better model than the built-in one, if there is none yet. "Not now" is
 * remembered for this home. A model that cannot be set up stops nothing: the built-in one is used then.
 *
 * @throws the prompt's own error when the person leaves with Ctrl-C
 */
export async function offerBetterModel(
  flags: ProcessFlags,
  settings: ResolvedSettings,
  { signal, tell }: FirstRunOptions,
): Promise<void> {
  if (!isConversation(flags, process.env)) return
  const { mayOffer, rememberNotNow } = await import('../../setup/first-run.ts')
  if (!(await mayOffer(settings))) return
  const { askToSetUp } = await import('./dialog.ts')
  if (!(await askToSetUp())) return rememberNotNow(settings)
  const { guide } = await import('./guide.ts')
  try {
    const done = await guide(settings, { yes: false, interactive: true, signal, tell })
    if (done === undefined) return await rememberNotNow(settings)
    tell(`${done.model} works: ${done.secondsPerImage} s for a picture, on ${done.provider}.`)
  } catch (error) {
    if (!(error instanceof RmbgError)) throw error
    tell(`${error.message} ${error.hint ?? ''} The built-in model is used for now.`)
  }
}
