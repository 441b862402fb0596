/** How far a campaign is. */
import {
  type Campaign,
  hasQueues,
  type LostImage,
  listCampaigns,
  lostImages,
  progressOf,
  requireCampaign,
} from '../database/campaigns.ts'
import type { Database } from '../database/contract.ts'
import { isQueueInstalled } from '../database/queue.ts'
import { RmbgError } from '../errors.ts'
import { type Item, shownInput, shownItem } from './contract.ts'

/** `listing`: inputs are still being put into the queue. `done`: nothing is left of it. */
export type ShownState = 'listing' | 'running' | 'paused' | 'cancelled' | 'done'

export interface CampaignReport {
  campaign: string
  campaignId: string
  state: ShownState
  createdAt: string
  inputs: string[]
  /** Found so far. */
  images: number
  completed: number
  /** Done before, by whomever. */
  skipped: number
  failed: number
  /** Pictures that ended three workers. */
  dead: number
  remaining: number
  /** Of all workers together, in the last minutes. */
  imagesPerSecond: number
  /** Null while nothing is being done, or the inputs are not listed to their end. */
  secondsToGo: number | null
  /** Shards that wait, and that workers have. */
  shards: { waiting: number; active: number }
  lost: { input: string; state: 'failed' | 'dead'; code: string; message: string; at: string }[]
}

export interface CampaignLine {
  campaign: string
  campaignId: string
  state: ShownState
  user: string
  images: number
  done: number
  failed: number
  createdAt: string
}

/** @throws RmbgError NOT_FOUND; of family `database` */
export async function campaignReport(
  { sql }: Database,
  name: string,
  { lostLimit }: { lostLimit: number },
): Promise<CampaignReport> {
  const campaign = await requireCampaign(sql, name)
  const { campaignId, images, inputs, createdAt } = campaign
  if (!(await isQueueInstalled(sql)) || !(await hasQueues(sql, campaignId))) {
    throw new RmbgError(
      'NOT_FOUND',
      `The queue of the campaign ${JSON.stringify(name)} is not in this database.`,
      {
        hint: 'A backup holds campaigns without their queues. Run the same rmbg enqueue again.',
      },
    )
  }
  const { waiting, active, ...progress } = await progressOf(sql, campaignId)
  const lost = await lostImages(sql, campaignId, lostLimit)
  const { completed, skipped, failed, dead, imagesPerSecond } = progress
  const remaining = Math.max(0, images - completed - skipped - failed - dead)
  const isKnown = campaign.isListed && imagesPerSecond > 0
  return {
    ...{
      campaign: name,
      campaignId,
      state: shownState(campaign),
      createdAt: createdAt.toISOString(),
      inputs: inputs.map(shownInput),
    },
    ...{ images, completed, skipped, failed, dead, remaining },
    imagesPerSecond: Math.round(imagesPerSecond * 100) / 100,
    secondsToGo: isKnown ? Math.round(remaining / imagesPerSecond) : null,
    shards: { waiting, active },
    lost: lost.map(shownLoss),
  }
}

const shownLoss = ({ item, at, ...loss }: LostImage) => ({
  input: shownItem(item as Item),
  ...loss,
  at: at.toISOString(),
})

const shownState = ({
  state,
  isListed,
  hasEnded,
}: Pick<Campaign, 'state' | 'isListed' | 'hasEnded'>): ShownState => {
  if (state !== 'running') return state
  if (!isListed) return 'listing'
  return hasEnded ? 'done' : 'running'
}

export async function campaignList({ sql }: Database, limit: number): Promise<CampaignLine[]> {
  const found = await listCampaigns(sql, limit)
  return found.map((campaign) => {
    const { name, campaignId, userId, images, done, failed, createdAt } = campaign
    const state = shownState(campaign)
    return {
      ...{ campaign: name, campaignId, state, user: userId, images, done, failed },
      createdAt: createdAt.toISOString(),
    }
  })
}
