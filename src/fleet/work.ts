/** A worker of a fleet: takes shards from the queue, and each of their pictures through the same steps as every run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Semaphore } from 'async-mutex'
import { v7 as uuidv7 } from 'uuid'
import { mebibytes } from '../cutout/memory.ts'
import { closePixelThreads, startPixelThreads } from '../cutout/pool.ts'
import { campaignOfId, queueDepth } from '../database/campaigns.ts'
import { withDatabase } from '../database/errors.ts'
import { leaseMs } from '../database/leases.ts'
import type { Queue } from '../database/queue.ts'
import { foldUsage } from '../database/usage.ts'
import { RmbgError } from '../errors.ts'
import type { BatchEvent, SummaryEvent } from '../process/events.ts'
import { letGo, startHeartbeat } from '../process/leases.ts'
import { take } from '../process/take.ts'
import { count, emptyTally, summaryOf } from '../process/tally.ts'
import { processOwner } from '../system/owner.ts'
import type { Telemetry, TelemetryOptions } from '../telemetry/open.ts'
import { type CampaignWork, openCampaignWork, type WorkerServices } from './campaign-work.ts'
import { fetchShards } from './fetch-shards.ts'
import { startWorkerHeartbeat } from './heartbeat.ts'
import { endShard, imagesOf, workOn } from './images.ts'
import { type Outage, watchOutages } from './outage.ts'
import { prefetcher } from './prefetch.ts'
import type { Worker } from './worker.ts'

export interface WorkOptions {
  /** Names of campaigns; undefined stands for all, also those that come later. */
  names: readonly string[] | undefined
  /** Images in work at once. */
  concurrency: number
  /** Bytes. */
  maxMemory: number
  /** Bytes of files that may be read ahead. */
  prefetch: number
  /** Ends when nothing is left to do. */
  drain: boolean
  /** How long images in work are waited for after a stop, in milliseconds. */
  graceMs: number
  candidateOf: Worker['candidateOf']
  /** Lets others see this worker. */
  openTelemetry: (sight: Sight) => Promise<Telemetry>
  signal: AbortSignal
  onEvent: (event: BatchEvent) => void
}

/** What there is to see of a worker. */
export type Sight = Required<Pick<TelemetryOptions, 'check' | 'load' | 'depth'>>

/** How often the statistics are added up meanwhile, in milliseconds. */
const foldMs = 60_000

/**
 * Works until it is stopped or, with `drain`, until nothing is left. An image that fails is told of and counted, and stops
 * nothing; database and store are waited for.
 *
 * @returns what this worker has done
 * @throws RmbgError of family `model`, and what no waiting would help against, after the summary
 */
export async function runWorker(
  services: WorkerServices,
  queue: Queue,
  options: WorkOptions,
): Promise<SummaryEvent> {
  const startedAt = performance.now()
  const { database } = services
  const tally = emptyTally()
  const end = new AbortController()
  const signal = AbortSignal.any([options.signal, end.signal])
  let failure: unknown
  const runId = uuidv7()
  const prefetch = prefetcher(options.prefetch)
  const outage = outageOf(services, {
    ...options,
    runId,
    signal,
    onError: (error) => telemetry.noteError(error),
  })
  const telemetry = await options.openTelemetry({
    check: async () => assertTaking(signal, outage),
    load: () => ({ inWork: worker.inWork, heldBytes: prefetch.held() }),
    depth: () => queueDepth(database.sql, options.names),
  })
  const onEvent = (event: BatchEvent) => {
    if (event.type === 'image') count(tally, event)
    telemetry.tell(event)
    options.onEvent(event)
  }
  const measured = async (model: string) => telemetry.measured(await services.masks(model))
  const worker: Worker = {
    ...{ database, queue, runId, signal, onEvent, outage, prefetch, telemetry },
    ...{ held: new Set(), completed: 0, inWork: 0 },
    campaignWork: campaignWorks({ ...services, masks: measured }, { ...options, runId, signal, onEvent }),
    candidateOf: options.candidateOf,
    fail: (error) => {
      failure ??= error
      end.abort()
    },
  }
  startPixelThreads()
  const folding = setInterval(() => void foldUsage(database.sql).catch(() => {}), foldMs)
  const endings = [
    startHeartbeat(database, { id: runId, owner: processOwner(), leaseMs }),
    startWorkerHeartbeat(worker),
  ]
  try {
    await untilGrace(worker, options)
  } catch (error) {
    worker.fail(error)
  }
  clearInterval(folding)
  for (const ending of endings) await ending()
  await rest(worker)
  await telemetry.close()
  const { completed, skipped, failed } = tally
  const summary = summaryOf(tally, {
    runId,
    images: completed + skipped + failed,
    isListed: true,
    elapsedMs: Math.round(performance.now() - startedAt),
    isStopped: options.signal.aborted,
  })
  options.onEvent(summary)
  if (failure !== undefined) throw failure
  return summary
}

/** Works; after a stop what is in work may finish for a while, and then goes back as well. */
async function untilGrace(worker: Worker, options: WorkOptions): Promise<void> {
  const { concurrency, graceMs } = options
  const never = new AbortController()
  const images = imagesOf(worker, fetchShards(worker, options))
  const working = take(images, { concurrency, signal: never.signal }, (taken) => workOn(worker, taken))
  const ended = working.then(async () => void (await Promise.all([...worker.held].map((held) => held.ended))))
  const tooLong = new Promise<void>((resolve) => {
    const onStop = () => void sleep(graceMs, undefined, { ref: false }).then(() => resolve())
    if (worker.signal.aborted) onStop()
    else worker.signal.addEventListener('abort', onStop, { once: true })
  })
  await Promise.race([ended, tooLong])
  ended.catch(() => {}) // nobody waits for it any more
  await Promise.all([...worker.held].map((held) => endShard(worker, held)))
}

/** Frees what this worker still holds, and brings log and statistics to rest. */
async function rest({ database, runId }: Worker): Promise<void> {
  await letGo(database, { id: runId, owner: processOwner(), leaseMs })
  await foldUsage(database.sql).catch(() => {}) // what is not folded counts all the same
  await closePixelThreads()
}

/** @throws RmbgError while no work can be taken */
function assertTaking(signal: AbortSignal, outage: Outage): void {
  if (signal.aborted) throw new RmbgError('REFUSED', 'The worker is ending.')
  if (outage.isWaiting()) throw new RmbgError('STORE_UNAVAILABLE', 'The worker waits for database or store.')
}

interface OutageListeners extends Pick<WorkOptions, 'signal' | 'onEvent'> {
  runId: string
  onError: (error: RmbgError) => void
}

function outageOf(
  { database, store }: WorkerServices,
  { runId, signal, onEvent, onError }: OutageListeners,
): Outage {
  return watchOutages({
    signal,
    probe: async () => {
      await withDatabase(() => database.sql`select 1`)
      await store.check(signal)
    },
    // What was begun and not ended is nobody's, or this worker would take it for held by another one.
    recover: () => letGo(database, { id: runId, owner: processOwner(), leaseMs }),
    onAway: (error) => {
      onError(error)
      onEvent({
        type: 'notice',
        code: 'server-away',
        message: `${error.message} Nothing is taken until that is over; no image fails by it.`,
      })
    },
    onBack: () => onEvent({ type: 'notice', code: 'server-back', message: 'Going on.' }),
  })
}

/** Each campaign is opened once. One that this machine cannot work on is told of once, and left to others. */
function campaignWorks(
  services: WorkerServices,
  limits: WorkOptions & { runId: string },
): Worker['campaignWork'] {
  const opened = new Map<string, Promise<CampaignWork | undefined>>()
  const memory = new Semaphore(mebibytes(limits.maxMemory))
  const { names } = limits
  const open = async (campaignId: string): Promise<CampaignWork | undefined> => {
    try {
      const campaign = await campaignOfId(services.database.sql, campaignId)
      const work = await openCampaignWork(campaign, services, limits, memory)
      limits.onEvent(campaignNotice(work))
      return work
    } catch (error) {
      const isOfThisCampaign = error instanceof RmbgError && error.family === 'model' && !names
      if (!isOfThisCampaign) throw error
      const { message, hint = '' } = error
      limits.onEvent({
        type: 'notice',
        code: 'campaign-left',
        message: `${message} ${hint}`,
        important: true,
      })
      return undefined
    }
  }
  return (campaignId) => {
    const found = opened.get(campaignId) ?? open(campaignId)
    opened.set(campaignId, found)
    found.catch(() => opened.delete(campaignId))
    return found
  }
}

const campaignNotice = ({ campaign: { name }, settings: { model }, batch }: CampaignWork): BatchEvent => ({
  type: 'notice',
  code: 'campaign',
  campaign: name,
  message: `Working on the campaign ${name}: model ${model}, to ${batch.store.location}, log in ${batch.database.location}`,
})
