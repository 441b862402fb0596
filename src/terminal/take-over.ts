import * as Flags from '@oclif/core/flags'
import type { OwnershipOptions } from '../store/owner.ts'
import { confirm, isTerminal } from './confirm.ts'

export const takeOverFlag = Flags.boolean({
  default: false,
  description: "make a store this database's that belongs to another one, which is gone",
})

/**
 * What a command may do about a store that is not its database's. With `--take-over` it asks on a terminal; elsewhere
 * the flag itself is the answer, together with `--yes` where a command has that.
 */
export function ownershipOf(
  flags: { 'take-over': boolean; yes?: boolean | undefined },
  { claims }: { claims: boolean },
): OwnershipOptions {
  if (!flags['take-over']) return { claims }
  const yes = flags.yes ?? !isTerminal()
  return {
    claims,
    takeOver: (reason) =>
      confirm(`${reason} Take it over? The other database will not be able to write there any more.`, {
        yes,
      }),
  }
}
