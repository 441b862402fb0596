/** What a person does to a campaign while workers work on it. */
import {
  type Campaign,
  queuesOf,
  reopenCampaign,
  requireCampaign,
  setCampaignState,
  takeFailures,
} from '../database/campaigns.ts'
import type { Database } from '../database/contract.ts'
import { withDatabase } from '../database/errors.ts'
import { inTransaction, openQueue } from '../database/queue.ts'
import { RmbgError } from '../errors.ts'
import type { Item } from './contract.ts'
import { shardsOf } from './enqueue.ts'

/**
 * Workers finish the images in work, within seconds give the rest back, and take no more.
 *
 * @throws RmbgError NOT_FOUND, REFUSED when it was cancelled
 */
export async function pauseCampaign({ sql }: Database, name: string): Promise<void> {
  await setCampaignState(sql, await uncancelled(sql, name), 'paused')
}

/** @throws RmbgError NOT_FOUND, REFUSED when it was cancelled */
export async function resumeCampaign({ sql }: Database, name: string): Promise<void> {
  await setCampaignState(sql, await uncancelled(sql, name), 'running')
}

/** Nothing more of it is done, ever. @throws RmbgError NOT_FOUND */
export async function cancelCampaign(database: Database, name: string): Promise<void> {
  const campaign = await requireCampaign(database.sql, name)
  const queue = await openQueue(database)
  try {
    await setCampaignState(database.sql, campaign, 'cancelled')
    const { shards, suspects } = queuesOf(campaign.campaignId)
    await queue.clear(shards)
    await queue.clear(suspects)
  } finally {
    await queue.close()
  }
}

export interface Retried {
  /** Images that had failed. */
  failed: number
  /** Images that had ended three workers. Each gets one more try, alone. */
  dead: number
}

/** Failures that go back in one transaction. */
const failuresAtOnce = 1000

/** @throws RmbgError NOT_FOUND, REFUSED when it was cancelled */
export async function retryCampaign(database: Database, name: string): Promise<Retried> {
  const { sql } = database
  const campaign = await uncancelled(sql, name)
  const queue = await openQueue(database)
  try {
    const { shards, dead } = queuesOf(campaign.campaignId)
    const deadAgain = await queue.redrive(dead)
    let failed = 0
    for (;;) {
      const [moved = 0] = await withDatabase(async () => [
        await inTransaction(sql, async (transaction) => {
          const items = (await takeFailures(transaction, campaign.campaignId, failuresAtOnce)) as Item[]
          if (items.length > 0)
            await queue.add(transaction, shards, shardsOf(campaign, items, campaign.shardSize))
          return items.length
        }),
      ])
      failed += moved
      if (moved < failuresAtOnce) break
    }
    if (failed + deadAgain > 0)
      await withDatabase(async () => [await reopenCampaign(sql, campaign.campaignId)])
    return { failed, dead: deadAgain }
  } finally {
    await queue.close()
  }
}

async function uncancelled(sql: Database['sql'], name: string): Promise<Campaign> {
  const campaign = await requireCampaign(sql, name)
  if (campaign.state !== 'cancelled') return campaign
  throw new RmbgError('REFUSED', `The campaign ${JSON.stringify(name)} was cancelled.`, {
    hint: 'Enqueue what is left under another --name; what is done is skipped.',
  })
}
