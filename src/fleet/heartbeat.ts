/** What a worker does beside its images: signs of life, a look at who is dead, and at what was paused. */
import { openCampaigns, queuesOf, serverUptime } from '../database/campaigns.ts'
import { heartbeatSeconds } from '../database/queue.ts'
import type { Worker } from './worker.ts'

const touchMs = (heartbeatSeconds / 4) * 1000
const superviseMs = Math.min((heartbeatSeconds / 2) * 1000, 30_000)
/** Somebody who pauses a campaign waits for it. */
const lookMs = 2000
/** A worker that lives gives back what it has had for so long, in milliseconds. The queue would take it after a day. */
const longestHeldMs = 12 * 3_600_000

/** @returns ends it */
export function startWorkerHeartbeat(worker: Worker): () => Promise<void> {
  /** `performance.now()` of the last time when the database did not answer. */
  let troubleAt = Number.NEGATIVE_INFINITY
  const careful = (act: () => Promise<void>) => () =>
    act().catch(() => {
      troubleAt = performance.now() // whoever works with the database tells of it
    })
  const endings = [
    every(
      touchMs,
      careful(() => touchAll(worker)),
    ),
    every(
      lookMs,
      careful(() => lookAtCampaigns(worker)),
    ),
    every(
      superviseMs,
      careful(() => supervise(worker, troubleAt)),
    ),
  ]
  return async () => void (await Promise.all(endings.map((end) => end())))
}

/** One at a time, however long it takes. */
function every(ms: number, act: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  const timer = setInterval(() => {
    running ??= act().finally(() => {
      running = undefined
    })
  }, ms)
  return async () => {
    clearInterval(timer)
    await running
  }
}

async function touchAll({ held, queue }: Worker): Promise<void> {
  for (const shard of held)
    if (!(await queue.touch(shard.queue, shard.fetched))) shard.isLost ||= held.has(shard)
}

/** What is paused or cancelled, or was held for too long, goes back as soon as what is in work is finished. */
async function lookAtCampaigns({ held, database }: Worker): Promise<void> {
  if (held.size === 0) return
  const names = [...new Set([...held].map(({ work }) => work.campaign.name))]
  const open = await openCampaigns(database.sql, names)
  const running = new Set(open.flatMap(({ name, state }) => (state === 'running' ? [name] : [])))
  for (const shard of held) {
    if (!running.has(shard.work.campaign.name) || performance.now() - shard.since > longestHeldMs)
      shard.isStopped = true
  }
}

/**
 * Takes shards from workers that are dead. While the database was away nobody could give a sign of life: what it holds
 * against workers then says nothing of them.
 */
async function supervise({ database, queue, outage }: Worker, troubleAt: number): Promise<void> {
  await outage.over()
  if (performance.now() - troubleAt < heartbeatSeconds * 1000) return
  if ((await serverUptime(database.sql)) < heartbeatSeconds) return
  for (const { campaignId, isBusy } of await openCampaigns(database.sql, undefined)) {
    if (!isBusy) continue
    const { shards, suspects } = queuesOf(campaignId)
    await queue.supervise(shards)
    await queue.supervise(suspects)
  }
}
