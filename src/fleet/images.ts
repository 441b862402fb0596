/** The pictures of shards: those that are done are skipped in one round trip, the others are worked on one by one. */
import { passingStoreErrors, RmbgError } from '../errors.ts'
import type { Outcome } from '../process/contract.ts'
import type { ImageEvent } from '../process/events.ts'
import { processOne } from '../process/image.ts'
import type { Candidates } from '../process/inputs.ts'
import { unfinishedImages } from '../process/unfinished.ts'
import { type HeldShard, noteOutcome } from './held-shard.ts'
import { settleShard } from './settle.ts'
import { isTaking, persist, type Taken, type Worker } from './worker.ts'

/** How long what another run works on is left to it. */
const heldElsewhereSeconds = 30
/** A picture whose store fails so often while others go through fails by itself. */
const mostStoreFailures = 5
/** How long a shard is left alone that this worker cannot read or store. */
const refusedSeconds = 300

/** What is to be done, shard after shard. A shard ends by itself when the last of its pictures has. */
export async function* imagesOf(worker: Worker, shards: AsyncIterable<HeldShard>): AsyncGenerator<Taken> {
  for await (const held of shards) {
    const inWork = inWorkOf(worker, held)
    try {
      for await (const image of unfinishedOf(worker, held)) {
        inWork.add()
        yield { held, image: worker.prefetch.begin(image) }
      }
    } finally {
      inWork.done() // of the listing itself
    }
  }
}

/** What is left of each shard in this worker: when it is nothing, the queue is told. */
const shares = new WeakMap<HeldShard, { add: () => void; done: () => void }>()

function inWorkOf(worker: Worker, held: HeldShard) {
  let count = 1
  const share = {
    add: () => void count++,
    done: () => {
      count--
      if (count === 0) void endShard(worker, held)
    },
  }
  shares.set(held, share)
  return share
}

/** Tells the queue what became of a shard. */
export async function endShard(worker: Worker, held: HeldShard): Promise<void> {
  if (!worker.held.has(held)) return
  try {
    const { telemetry, database, queue } = worker
    const settle = () => settleShard(database, queue, held)
    const settlement = held.open.size > 0 ? 'release' : 'complete'
    if (!held.isLost) await persist(worker, () => telemetry.settle(settlement, settle))
  } catch (error) {
    worker.fail(error)
  } finally {
    worker.held.delete(held)
    held.end()
  }
}

async function* unfinishedOf(worker: Worker, held: HeldShard) {
  const handedOut = new Set<string>()
  const onSkipped = (path: string, event: ImageEvent) => {
    noteOutcome(held, { path }, event)
    worker.onEvent(event)
  }
  while (!worker.signal.aborted) {
    await worker.outage.over()
    const left = [...held.open.values()]
      .map((item) => worker.candidateOf(item, held.work.settings))
      .filter(({ path }) => !handedOut.has(path))
    try {
      // Those that are split are looked at too: only what is not done is suspect.
      for await (const image of unfinishedWithNames(held, left, onSkipped)) {
        if (!isTaking(worker, held)) continue
        handedOut.add(image.candidate.path)
        yield image
      }
      return
    } catch (error) {
      if (!worker.outage.is(error)) throw error
      worker.outage.report(error as RmbgError)
    }
  }
}

/** Events name pictures as they are shown, and shards know them by their paths. */
function unfinishedWithNames(
  { work: { batch } }: HeldShard,
  candidates: Candidates,
  onSkipped: (path: string, event: ImageEvent) => void,
) {
  const paths = new Map([...candidates].map(({ path, shown }) => [shown, path]))
  return unfinishedImages(batch, candidates, (event) =>
    onSkipped('input' in event ? (paths.get(event.input) ?? event.input) : '', event),
  )
}

/** One picture, until it is known what became of it, or until it is left to others. */
export async function workOn(worker: Worker, taken: Taken): Promise<void> {
  const { held, image } = taken
  const { outage } = worker
  const tries: Tries = { storeFailures: 0, completedBefore: worker.completed }
  try {
    for (;;) {
      await outage.over()
      if (!isTaking(worker, held)) return await leave(image)
      const outcome = await outage.during(() => attempt(worker, taken))
      if (outcome === 'untaken') return await leave(image)
      if (outcome === 'held') {
        held.delaySeconds = Math.max(held.delaySeconds, heldElsewhereSeconds)
        return
      }
      const away = awayAfter(worker, held, outcome, tries)
      if (!away) return settle(worker, taken, outcome as ImageEvent)
      outage.report(away)
    }
  } finally {
    shares.get(held)?.done()
  }
}

/** Of one picture. */
interface Tries {
  storeFailures: number
  /** How many others this worker had completed when it began. */
  completedBefore: number
}

/** What has to be waited for before the picture is tried again; undefined when it is known what became of it. */
function awayAfter(
  worker: Worker,
  held: HeldShard,
  outcome: ImageEvent | RmbgError,
  tries: Tries,
): RmbgError | undefined {
  if (outcome instanceof RmbgError) {
    if (outcome.family !== 'store' || ++tries.storeFailures < mostStoreFailures) return outcome
    // The store itself answers well: it is this campaign's inputs that are refused.
    held.isStopped = true
    held.delaySeconds = refusedSeconds
    return outcome
  }
  if (outcome.status !== 'failed' || !passingStoreErrors.includes(outcome.code)) return undefined
  tries.storeFailures++
  const doneMeanwhile = worker.completed - tries.completedBefore
  if (tries.storeFailures >= mostStoreFailures && doneMeanwhile >= mostStoreFailures) return undefined
  return new RmbgError(outcome.code, outcome.message)
}

function settle(worker: Worker, { held, image }: Taken, outcome: ImageEvent): void {
  if (outcome.status === 'completed') {
    worker.completed++
    worker.outage.worked()
  }
  noteOutcome(held, image.candidate, outcome)
  worker.onEvent(outcome)
}

/** What `processOne` says, or what would have kept every other image from being done as well. */
async function attempt(worker: Worker, { held, image }: Taken): Promise<Outcome | RmbgError> {
  worker.inWork++
  try {
    return await processOne(held.work.batch, image)
  } catch (error) {
    if (worker.outage.is(error)) return error
    worker.fail(error)
    return 'untaken'
  } finally {
    worker.inWork--
  }
}

async function leave(image: Taken['image']): Promise<void> {
  if ('source' in image) await image.source.release?.()
}
