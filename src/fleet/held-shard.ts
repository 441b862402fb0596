/** A shard in the hands of this worker, from when it is fetched until the queue knows what became of it. */

import type { ImageFailure } from '../database/campaigns.ts'
import type { Fetched } from '../database/queue.ts'
import type { ImageEvent } from '../process/events.ts'
import type { Candidate } from '../process/inputs.ts'
import type { CampaignWork } from './campaign-work.ts'
import { type Item, itemName, type Shard } from './contract.ts'

export interface HeldShard {
  work: CampaignWork
  /** The name of its queue. */
  queue: string
  fetched: Fetched<Shard>
  /** Workers that ended while they had it. */
  deaths: number
  isSuspect: boolean
  /** `performance.now()`. */
  since: number
  /** What is not done yet, by the names of the candidates. */
  open: Map<string, Item>
  completed: number
  skipped: number
  failures: ImageFailure[]
  /** Another run works on one of its pictures: the rest goes back for a while. */
  delaySeconds: number
  /** It is somebody else's by now: whatever is still done here, the queue is not told of it. */
  isLost: boolean
  /** Nothing more of it is taken; the rest goes back. */
  isStopped: boolean
  /** Resolves when the queue knows. */
  ended: Promise<void>
  end: () => void
}

export function holdShard(
  work: CampaignWork,
  queue: string,
  fetched: Fetched<Shard>,
  { isSuspect }: { isSuspect: boolean },
): HeldShard {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const { items, deaths = 0 } = fetched.data
  const open = new Map(items.map((item) => [itemName(item), item]))
  return {
    ...{ work, queue, fetched, isSuspect, open, ended, end },
    deaths: deaths + fetched.retryCount,
    since: performance.now(),
    completed: 0,
    // The same picture twice is done once.
    skipped: items.length - open.size,
    failures: [],
    delaySeconds: 0,
    isLost: false,
    isStopped: false,
  }
}

/** Counts in what became of a picture. */
export function noteOutcome(held: HeldShard, { path }: Pick<Candidate, 'path'>, event: ImageEvent): void {
  const item = held.open.get(path)
  if (!item) return
  held.open.delete(path)
  if (event.status === 'completed') held.completed++
  else if (event.status === 'skipped') held.skipped++
  else if (event.status === 'failed') held.failures.push({ item, code: event.code, message: event.message })
}
