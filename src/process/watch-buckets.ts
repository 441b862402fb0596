/**
 * Hot buckets: what is not done yet is done, then what notifications tell of, and again and again what a list finds.
 * Notifications come late, twice, in any order, or never. So none is believed more than that somebody should look: the
 * object is looked at as it is now, and the log says whether it is done. Because the next list finds every object, what
 * a notification told may be forgotten at any moment.
 */
import { boundedTasks } from '../bounded-tasks.ts'
import { closePixelThreads } from '../cutout/pool.ts'
import { objectErrors, passingStoreErrors } from '../errors.ts'
import type { BatchOptions, BatchServices } from './contract.ts'
import type { BatchEvent, FailedEvent, ImageEvent, SummaryEvent } from './events.ts'
import type { WatchedBuckets, WatchedObject } from './inputs/watched-buckets.ts'
import type { Arrival, Arrivals } from './watch/arrivals.ts'
import type { Bell } from './watch/bell.ts'
import { type Listing, openListing } from './watch/listing.ts'
import { openWatchRun, type WatchRun } from './watch/run.ts'

export interface BucketWatchOptions {
  buckets: WatchedBuckets
  arrivals: Arrivals
  /** Rung by arrivals. */
  bell: Bell
  /** As in `ListingOptions`. */
  everyMs: number | undefined
  batchOptions: Omit<BatchOptions, 'signal' | 'onEvent'>
  /**
   * Begins to let arrivals in.
   *
   * @param fail told of what ends that
   * @returns ends it; when that resolves, no arrival comes any more
   */
  letIn: (fail: (error: unknown) => void) => Promise<() => Promise<void>>
  /** Does the work on arrivals, and may look on. */
  around: (arrivals: readonly Arrival[], work: () => Promise<void>) => Promise<void>
  /** Told of pictures that begin to be worked on, and end. */
  onWork: (pictures: number) => void
  signal: AbortSignal
  onEvent: (event: BatchEvent) => void
}

/** Pictures of one batch. */
const batchSize = 500
/** Objects that are looked at together. */
const concurrentLooks = 16
/** A list is worked on for so long before arrivals may interrupt it, so that many of them do not keep it from its end. */
const leastListMs = 5000
/** Pictures that failed and are remembered, so that no list tries them again until they change. */
const mostFailures = 100_000

/**
 * Watches buckets until the signal aborts. A picture that fails is told of and stops nothing: it is tried again when it
 * changes, or when the command starts again.
 *
 * @returns the sum of all batches
 * @throws RmbgError what would fail every other image as well, after the summary of what was done until then
 */
export async function watchBuckets(
  services: BatchServices,
  options: BucketWatchOptions,
): Promise<SummaryEvent> {
  const { buckets, arrivals, bell, everyMs } = options
  const run = openWatchRun(options)
  const letNoneIn = await options.letIn(run.fail)
  const listing = openListing({
    ...{ list: buckets.list, everyMs, signal: run.ended },
    onItems: bell.ring,
  })
  listing.ended.catch(run.fail)
  const watching: Watching = { options, services, run, listing, failures: new Map() }
  try {
    let isListsTurn = true
    while (!run.ended.aborted) {
      if (listing.hasItems && (isListsTurn || arrivals.waiting === 0)) await workOnList(watching)
      else if (arrivals.waiting > 0) await workOnArrivals(watching)
      else await bell.rung(run.ended)
      isListsTurn = !isListsTurn
    }
  } catch (error) {
    run.fail(error)
  }
  await letNoneIn()
  for (const { settle } of arrivals.take(Number.POSITIVE_INFINITY)) settle('release')
  await listing.ended.catch(() => {}) // told by `end`
  await closePixelThreads()
  return run.end()
}

interface Watching {
  options: BucketWatchOptions
  services: BatchServices
  run: WatchRun
  listing: Listing<WatchedObject>
  /** Why a picture cannot be processed as it is: by its address, what it was like then. */
  failures: Map<string, string>
}

async function workOnArrivals(watching: Watching): Promise<void> {
  const { options } = watching
  const arrivals = options.arrivals.take(batchSize)
  const outcomes = new Map<string, ImageEvent>()
  let looks: Look[] = []
  try {
    await options.around(arrivals, async () => {
      looks = await lookAtAll(arrivals, watching)
      const objects = looks.flatMap(({ object }) => object ?? [])
      await work(watching, objects.filter(isNew(watching)), outcomes)
    })
  } finally {
    const known = new Map(looks.map((look) => [look.arrival, look]))
    for (const arrival of arrivals) settle(arrival, known.get(arrival), outcomes, watching)
  }
}

interface Look {
  arrival: Arrival
  /** Undefined where nothing is there any more. */
  object: WatchedObject | undefined
}

/** @throws RmbgError of family `store` */
async function lookAtAll(
  arrivals: readonly Arrival[],
  { options: { buckets }, run }: Watching,
): Promise<Look[]> {
  const looks: Look[] = []
  const tasks = boundedTasks(concurrentLooks)
  for (const arrival of arrivals) {
    await tasks.add(async () => {
      let object: WatchedObject | undefined
      for (const key of arrival.keys) object ??= await buckets.look(arrival.bucket, key)
      looks.push({ arrival, object })
    })
  }
  await tasks.settled()
  // Somebody who stops the run does not wait for a store that is away.
  if (!run.ended.aborted) tasks.throwFailure()
  return looks
}

/** What has become of it for good needs no second look; what changed meanwhile is looked at again at once. */
function settle(
  arrival: Arrival,
  look: Look | undefined,
  outcomes: ReadonlyMap<string, ImageEvent>,
  { options, failures, run }: Watching,
): void {
  if (!look?.object) {
    arrival.settle(look ? 'complete' : 'release')
    return
  }
  const { candidate, identity } = look.object
  const outcome = outcomes.get(candidate.shown)
  if (outcome?.status === 'failed' && outcome.code === 'INPUT_CHANGED' && !run.ended.aborted) {
    options.arrivals.add(arrival)
    return
  }
  const isDone = outcome && (outcome.status !== 'failed' || isOfPicture(outcome))
  arrival.settle(isDone || failures.get(candidate.path) === identity ? 'complete' : 'release')
}

/** Pages of a list, until arrivals interrupt it. */
async function workOnList(watching: Watching): Promise<void> {
  const { listing, options, run } = watching
  const { arrivals } = options
  const objects = listing.take(batchSize)
  const isFirst = listing.round === 1
  const interrupted = new AbortController()
  const startedAt = performance.now()
  const looking = setInterval(() => {
    if (arrivals.waiting > 0 && performance.now() - startedAt >= leastListMs) interrupted.abort()
  }, 100)
  try {
    const wanted = objects.filter(isNew(watching))
    const outcomes = new Map<string, ImageEvent>()
    await work(watching, wanted, outcomes, { signal: interrupted.signal, isNews: isFirst })
    if (interrupted.signal.aborted && !run.ended.aborted)
      listing.giveBack(wanted.filter(({ candidate }) => !outcomes.has(candidate.shown)))
  } finally {
    clearInterval(looking)
  }
}

/** @param outcomes gets what is told of each, by how it is shown; nothing of those that were not taken */
async function work(
  { options, services, run, failures }: Watching,
  objects: readonly WatchedObject[],
  outcomes: Map<string, ImageEvent>,
  { signal, isNews = true }: { signal?: AbortSignal; isNews?: boolean } = {},
): Promise<void> {
  const byName = new Map(objects.map((object) => [object.candidate.shown, object]))
  const candidates = [...byName.values()].map(({ candidate }) => candidate)
  if (candidates.length === 0) return
  options.onWork(candidates.length)
  try {
    await run.batch(candidates, services, {
      ...options.batchOptions,
      ...(signal && { signal }),
      onImage: (event) => {
        outcomes.set(event.input, event)
        options.onWork(-1)
        if (event.status === 'failed') remember(failures, event, byName.get(event.input))
        // A list finds the same again and again.
        return isNews || event.status !== 'skipped' || event.output?.state === 'restored'
      },
    })
  } finally {
    options.onWork(outcomes.size - candidates.length)
  }
}

/** Neither changed nor gone, and no fault of a server: it would fail again. */
const isOfPicture = ({ code }: FailedEvent): boolean =>
  !['INPUT_CHANGED', 'LEASE_LOST', ...passingStoreErrors, ...objectErrors].includes(code)

function remember(
  failures: Map<string, string>,
  event: FailedEvent,
  object: WatchedObject | undefined,
): void {
  if (!object || !isOfPicture(event)) return
  const [oldest] = failures.keys()
  if (failures.size >= mostFailures && oldest !== undefined) failures.delete(oldest)
  failures.set(object.candidate.path, object.identity)
}

const isNew =
  ({ failures }: Watching) =>
  ({ candidate, identity }: WatchedObject): boolean =>
    failures.get(candidate.path) !== identity
