import * as Flags from '@oclif/core/flags'
import type { Cache } from '../cache/contract.ts'
import type { Context } from '../context.ts'
import type { Database } from '../database/contract.ts'
import { duration } from '../database/health/words.ts'
import type { ReplicaState } from '../database/replica.ts'
import { environmentVariable } from '../settings/settings.ts'

export const freshFlag = Flags.boolean({
  default: false,
  description: `ask the primary, also where a replica could be asked [env: ${environmentVariable('databaseReplicaUrl')}]`,
})

/** Less is what a replica that follows may be behind at any moment. */
const notableSeconds = 5

/** What a command asks that writes nothing. */
export interface ReadServices {
  /** On a replica nothing is folded. */
  database: Database & { isReplica: boolean }
  cache: Cache
  /** As --json shows it; nothing where the primary answers. */
  replica: { replica?: ReplicaState }
}

/** Opens the replica where one is set and may be asked, else the primary with its cache, and says what is worth knowing. */
export async function openToRead(
  context: Context,
  { fresh }: { fresh: boolean },
  tell: (sentence: string) => void,
): Promise<ReadServices> {
  const { database, replica } = await context.databaseToRead({ fresh, tell })
  if (!replica) {
    return { database: { ...database, isReplica: false }, cache: await context.cache(tell), replica: {} }
  }
  const { lagSeconds } = replica
  if (lagSeconds !== null && lagSeconds >= notableSeconds)
    tell(`The replica is ${duration(lagSeconds)} behind. --fresh asks the primary.`)
  const { noCache } = await import('../cache/none.ts')
  return { database: { ...database, isReplica: true }, cache: noCache, replica: { replica } }
}
