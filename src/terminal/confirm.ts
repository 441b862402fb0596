import { createInterface } from 'node:readline/promises'
import { RmbgError } from '../errors.ts'
import { leaveLiveLines } from './live-line.ts'

/** Whether there is a person to ask. */
export const isTerminal = (): boolean => Boolean(process.stdin.isTTY && process.stderr.isTTY)

/** Asks on a terminal. Elsewhere, and for any answer but yes, it is no. */
export async function ask(question: string): Promise<boolean> {
  if (!isTerminal()) return false
  leaveLiveLines()
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}

/**
 * Asks before something that cannot be undone; without a terminal, `--yes` has to be the answer.
 *
 * @param options.hasPlan whether the command has a --dry-run
 * @throws RmbgError REFUSED when nobody can be asked, or the answer is not yes
 */
export async function confirm(
  question: string,
  { yes, hasPlan = true }: { yes: boolean; hasPlan?: boolean },
): Promise<void> {
  if (yes) return
  if (!isTerminal()) {
    throw new RmbgError('REFUSED', 'Nothing was done: there is no terminal to ask for confirmation.', {
      hint: `Add --yes to go ahead${hasPlan ? ', or --dry-run to see the plan only' : ''}.`,
    })
  }
  if (!(await ask(question))) throw new RmbgError('REFUSED', 'Nothing was done.')
}
