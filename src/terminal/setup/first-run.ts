import { RmbgError } from '../../errors.ts'
import type { Frame } from '../command.ts'
import { isTerminal } from '../confirm.ts'
import { printableOutput } from '../printable.ts'
import type { ProcessFlags } from '../process-flags.ts'
import { wrapFor } from '../wrap.ts'

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
 * @returns whether the person was told that only the built-in model is there, and decided to go on with it
 * @throws what oclif ends a command with, when the person leaves with Ctrl-C
 */
export async function offerBetterModel(
  flags: ProcessFlags,
  { settings, stop: { signal } }: Frame,
): Promise<boolean> {
  if (!isConversation(flags, process.env)) return false
  const { mayOffer, rememberNotNow } = await import('../../setup/first-run.ts')
  if (!(await mayOffer(settings))) return false
  const { askToSetUp, asking } = await import('./dialog.ts')
  if (!(await asking(askToSetUp))) {
    await rememberNotNow(settings)
    return true
  }
  const tell = (message: string) =>
    void process.stderr.write(`${wrapFor(process.stderr, printableOutput(message))}\n`)
  const { guide } = await import('./guide.ts')
  try {
    const done = await guide(settings, { yes: false, interactive: true, signal, tell })
    if (done === undefined) await rememberNotNow(settings)
    else tell(`${done.model} works: ${done.secondsPerImage} s for a picture, on ${done.provider}.`)
    return done === undefined
  } catch (error) {
    if (!(error instanceof RmbgError)) throw error
    tell(`${error.message} ${error.hint ?? ''} The built-in model is used for now.`)
    return true
  }
}
