import { createInterface } from 'node:readline/promises'
import { RmbgError } from '../errors.ts'

/**
 * Asks on a terminal; elsewhere `--yes` has to be the answer.
 *
 * @throws RmbgError REFUSED when nobody can be asked, or the answer is not yes
 */
export async function confirm(question: string, { yes }: { yes: boolean }): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new RmbgError('REFUSED', 'Nothing was done: there is no terminal to ask at.', {
      hint: 'Add --yes to go ahead, or --dry-run to see the plan only.',
    })
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new RmbgError('REFUSED', 'Nothing was done.')
  } finally {
    terminal.close()
  }
}
