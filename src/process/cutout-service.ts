/** Pictures that come one by one, each with wishes of its own, for as long as somebody asks: what a server needs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Semaphore } from 'async-mutex'
import { mebibytes } from '../cutout/memory.ts'
import { closePixelThreads, startPixelThreads } from '../cutout/pool.ts'
import { foldUsage } from '../database/usage.ts'
import { upsertUser } from '../database/users.ts'
import { openBatch } from './batch.ts'
import type { Batch, BatchOptions, BatchServices, Delivery, Image, Outcome } from './contract.ts'
import type { ImageEvent } from './events.ts'
import { asRmbgError } from './failure.ts'
import { processOne } from './image.ts'
import type { Candidate } from './inputs.ts'
import { letGo, startHeartbeat } from './leases.ts'
import { inspectSource } from './source.ts'

/** One picture, and what is wanted of it. */
export interface CutoutRequest extends Pick<BatchOptions, 'cutout' | 'cutoutParams'> {
  /** Absolute; of a file that stays until the answer is there. */
  path: string
  /** How the log and the events call it. */
  name: string
  what: Delivery['what']
}

export interface CutoutAnswer {
  event: ImageEvent
  /** The file of the cut-out or mask; undefined where the picture failed or is a cut-out of ours itself. */
  bytes: Uint8Array | undefined
}

export interface CutoutService {
  /**
   * Takes a picture through the same steps as every other. Where the same was made before, it comes from the store.
   *
   * @throws RmbgError of families `database`, `store` and `model`: the next picture may fail in the same way
   */
  cutOut(request: CutoutRequest): Promise<CutoutAnswer>
  /** Brings log and statistics to rest. Call it when nothing is in work any more. */
  close(): Promise<void>
}

/** What has begun is finished: whoever stops the server waits for it. */
const never = new AbortController().signal
/** An answer goes to who asked, and to no folder. */
const nowhere = { outputOf: undefined, maskOf: undefined }
/** How often the statistics are added up while it runs, in milliseconds. */
const foldMs = 60_000
/** Between two looks at a picture that another request or run is working on. */
const heldMs = 250

/**
 * @param options of all requests alike; when `signal` aborts, pictures that wait for their turn, or for others who work on
 *   the same, are refused with its reason, and those in work are finished
 * @throws RmbgError of family `database`
 */
export async function openCutoutService(
  services: BatchServices,
  options: Omit<BatchOptions, 'deliver' | 'outputOf' | 'maskOf'>,
): Promise<CutoutService> {
  const { database } = services
  const memory = new Semaphore(mebibytes(options.maxMemory))
  const open = (deliver: Delivery, wishes: Pick<BatchOptions, 'cutout' | 'cutoutParams'>): Batch =>
    openBatch(
      [],
      services,
      { ...options, ...wishes, ...nowhere, deliver, signal: never, onEvent: () => {} },
      memory,
    )
  startPixelThreads()
  await upsertUser(database.sql, options.user)
  const settle = async () => {
    await foldUsage(database.sql).catch(() => {}) // what is not folded counts all the same
    await database.flush()
  }
  const folding = setInterval(() => void settle().catch(() => {}), foldMs)
  return {
    cutOut: async ({ path, name, what, ...wishes }) => {
      options.signal.throwIfAborted()
      let bytes: Uint8Array | undefined
      const to = async (delivered: Uint8Array) => {
        bytes = delivered
      }
      const image = await inspected({ path, shown: name, relative: name, loggedPath: name })
      const event = await processWhenFree(open({ what, to }, wishes), image, options.signal)
      options.onEvent(event)
      return { event, bytes }
    },
    close: async () => {
      clearInterval(folding)
      await closePixelThreads()
      await settle()
    },
  }
}

async function inspected(candidate: Candidate): Promise<Image> {
  try {
    return { candidate, source: await inspectSource(candidate.path, candidate.loggedPath) }
  } catch (cause) {
    return { candidate, failure: asRmbgError(cause) }
  }
}

/** Each request is a run of its own: what it fails to end, it lets go of, and nothing else. */
export async function processWhenFree(batch: Batch, image: Image, stop: AbortSignal): Promise<ImageEvent> {
  const endHeartbeat = startHeartbeat(batch.database, batch.run)
  try {
    for (;;) {
      const outcome: Outcome = await processOne(batch, image)
      if (outcome !== 'held' && outcome !== 'untaken') return outcome
      await sleep(heldMs, undefined, { signal: stop })
    }
  } catch (error) {
    await letGo(batch.database, batch.run)
    throw error
  } finally {
    endHeartbeat()
  }
}
