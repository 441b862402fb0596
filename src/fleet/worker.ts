/** What the parts of a worker share. */
import type { Database } from '../database/contract.ts'
import type { Queue } from '../database/queue.ts'
import type { RmbgError } from '../errors.ts'
import type { Image } from '../process/contract.ts'
import type { BatchEvent } from '../process/events.ts'
import type { Candidate } from '../process/inputs.ts'
import type { Telemetry } from '../telemetry/open.ts'
import type { CampaignWork } from './campaign-work.ts'
import type { CampaignSettings, Item } from './contract.ts'
import type { HeldShard } from './held-shard.ts'
import type { Outage } from './outage.ts'
import type { Prefetcher } from './prefetch.ts'

export interface Worker {
  database: Database
  queue: Queue
  outage: Outage
  /** The run that jobs are claimed for. */
  runId: string
  /** Aborts when the worker is to end: it finishes what is in work. */
  signal: AbortSignal
  held: Set<HeldShard>
  /** Finds what a campaign works with, once; undefined where this machine cannot work on it. */
  campaignWork: (campaignId: string) => Promise<CampaignWork | undefined>
  candidateOf: (item: Item, settings: CampaignSettings) => Candidate
  prefetch: Prefetcher
  telemetry: Telemetry
  /** Images. */
  inWork: number
  /** Images completed by this worker. */
  completed: number
  onEvent: (event: BatchEvent) => void
  /** Ends the worker: the next image would fail in the same way. */
  fail: (error: unknown) => void
}

/** An image, and the shard that it is of. */
export interface Taken {
  held: HeldShard
  image: Image
}

/** Whether more of a shard may be begun. */
export const isTaking = ({ signal }: Worker, held: HeldShard): boolean =>
  !signal.aborted && !held.isLost && !held.isStopped

/** Does something with the database that may be repeated, as often as it takes; undefined when the worker was stopped. */
export async function persist<T>({ outage, signal }: Worker, act: () => Promise<T>): Promise<T | undefined> {
  for (;;) {
    await outage.over()
    try {
      return await outage.during(act)
    } catch (error) {
      if (!outage.is(error)) throw error
      if (signal.aborted) return undefined
      outage.report(error as RmbgError)
    }
  }
}
