/** Shards as there is room for them: the most urgent campaign first, suspects alone. */
import { setTimeout as sleep } from 'node:timers/promises'
import { endCampaign, type OpenCampaign, openCampaigns, queuesOf } from '../database/campaigns.ts'
import { failPoint } from '../fail-point.ts'
import type { Shard } from './contract.ts'
import { type HeldShard, holdShard } from './held-shard.ts'
import { deathsToSplit } from './settle.ts'
import { persist, type Worker } from './worker.ts'

export interface FetchOptions {
  /** Names of campaigns; undefined stands for all. */
  names: readonly string[] | undefined
  /** Ends when nothing is left to do or to wait for. */
  drain: boolean
  pollMs?: number
  /** Suspects wait for the rest, but no longer than this. */
  suspectsAfterMs?: number
}

/** Shards of this worker. One that has lost too many workers comes too: whoever gets it splits it. */
export async function* fetchShards(
  worker: Worker,
  { names, drain, pollMs = 1000, suspectsAfterMs = 60_000 }: FetchOptions,
): AsyncGenerator<HeldShard> {
  let suspectsAt = performance.now()
  while (!worker.signal.aborted) {
    const open = await persist(worker, () => openCampaigns(worker.database.sql, names))
    if (!open) return
    const running = open.filter(({ state }) => state === 'running')
    const areDue = performance.now() - suspectsAt >= suspectsAfterMs
    const held = (areDue && (await fetchSuspect(worker, running))) || (await fetchReady(worker, running))
    if (held) {
      yield held
      continue
    }
    const suspect = await fetchSuspect(worker, running)
    if (suspect) {
      yield suspect
      // Alone: if this worker ends, it is known by which picture.
      await suspect.ended
      continue
    }
    suspectsAt = performance.now()
    await endEmpty(worker, running)
    if (drain && worker.held.size === 0 && !open.some(isWaitedFor)) return
    await sleep(pollMs, undefined, { signal: worker.signal }).catch(() => {})
  }
}

/** Something is left, with this worker or another; or somebody is still listing. */
const isWaitedFor = ({ isBusy, isListed, isBeingListed }: OpenCampaign): boolean =>
  isBusy || (!isListed && isBeingListed)

async function fetchReady(
  worker: Worker,
  campaigns: readonly OpenCampaign[],
): Promise<HeldShard | undefined> {
  for (const { campaignId, isReady } of campaigns) {
    if (!isReady) continue
    const held = await fetch(worker, campaignId, { isSuspect: false })
    if (held) return held
  }
  return undefined
}

async function fetchSuspect(
  worker: Worker,
  campaigns: readonly OpenCampaign[],
): Promise<HeldShard | undefined> {
  for (const { campaignId, hasSuspects } of campaigns) {
    if (!hasSuspects) continue
    await Promise.all([...worker.held].map(({ ended }) => ended))
    const held = await fetch(worker, campaignId, { isSuspect: true })
    if (held) return held
  }
  return undefined
}

async function fetch(
  worker: Worker,
  campaignId: string,
  { isSuspect }: { isSuspect: boolean },
): Promise<HeldShard | undefined> {
  const work = await persist(worker, () => worker.campaignWork(campaignId))
  if (!work) return undefined
  const { shards, suspects } = queuesOf(campaignId)
  const queue = isSuspect ? suspects : shards
  const { telemetry } = worker
  const ask = async () => {
    const one = await worker.queue.fetch<Shard>(queue)
    return one ? [one] : []
  }
  const { messages = [], received } = (await persist(worker, () => telemetry.receive(ask))) ?? {}
  const [fetched] = messages
  if (!fetched) return undefined
  await failPoint('work:fetched')
  const held = holdShard(work, queue, fetched, { isSuspect })
  // It is told of at once, and nothing of it is done.
  if (!isSuspect && held.deaths >= deathsToSplit) held.isStopped = true
  worker.held.add(held)
  void telemetry.process({ id: fetched.id, carrier: fetched.data.trace, received }, () => held.ended)
  return held
}

async function endEmpty(worker: Worker, campaigns: readonly OpenCampaign[]): Promise<void> {
  for (const { campaignId, isListed, isBusy } of campaigns)
    if (isListed && !isBusy) await persist(worker, () => endCampaign(worker.database.sql, campaignId))
}
