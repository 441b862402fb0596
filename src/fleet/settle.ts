/** A shard ends in one transaction: it leaves the queue, what became of it is counted, and the rest goes back. */
import { isUncancelled, noteSettled, queuesOf } from '../database/campaigns.ts'
import type { Database } from '../database/contract.ts'
import { withDatabase } from '../database/errors.ts'
import { inTransaction, type NewShard, type Queue } from '../database/queue.ts'
import { failPoint } from '../fail-point.ts'
import type { Item, Shard } from './contract.ts'
import type { HeldShard } from './held-shard.ts'

/** A shard that has lost so many workers is split, and its pictures are suspects: the next death names one. */
export const deathsToSplit = 2

/**
 * @param held with nothing of it in work any more
 * @returns false when the shard was somebody else's by now, and nothing was written
 * @throws RmbgError of family `database`; it may be tried again
 */
export async function settleShard({ sql }: Database, queue: Queue, held: HeldShard): Promise<boolean> {
  const { work, fetched, completed, skipped, failures } = held
  const { campaignId } = work.campaign
  await failPoint('work:settling')
  const [isOurs = false] = await withDatabase(async () => [
    await inTransaction(sql, async (transaction) => {
      if (!(await queue.remove(transaction, held.queue, fetched))) return false
      await noteSettled(transaction, campaignId, { completed, skipped, failures })
      const { name, shards } = rest(held)
      if (shards.length > 0 && (await isUncancelled(transaction, campaignId)))
        await queue.add(transaction, name, shards)
      return true
    }),
  ])
  await failPoint('work:settled')
  return isOurs
}

/** What goes back into which queue. Deaths are kept: who gives a shard back has not died of it. */
function rest({ work: { campaign }, queue, open, deaths, delaySeconds, isSuspect }: HeldShard): {
  name: string
  shards: NewShard[]
} {
  const items = [...open.values()]
  const { campaignId, priority } = campaign
  const shard = (items: Item[]): NewShard => {
    const data: Shard = { campaign: campaignId, items, ...(deaths > 0 && { deaths }) }
    return { data, priority, ...(delaySeconds > 0 && { delaySeconds }) }
  }
  if (items.length === 0) return { name: queue, shards: [] }
  if (isSuspect || deaths < deathsToSplit) return { name: queue, shards: [shard(items)] }
  return { name: queuesOf(campaignId).suspects, shards: items.map((item) => shard([item])) }
}
