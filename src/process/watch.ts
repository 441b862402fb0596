/** Hot folders: what is not done yet is done, then what comes, in batches that share one model and one run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { boundedTasks } from '../bounded-tasks.ts'
import { closePixelThreads } from '../cutout/pool.ts'
import type { RmbgError } from '../errors.ts'
import { runBatch } from './batch.ts'
import type { BatchOptions, BatchServices } from './contract.ts'
import type { BatchEvent, SkippedEvent, SummaryEvent } from './events.ts'
import type { Candidate, Candidates } from './inputs.ts'
import { watchChanges } from './watch/changes.ts'
import { type FileState, lookAtFile, type Settling, settling } from './watch/settling.ts'

export interface WatchOptions {
  /** Absolute. */
  folders: readonly string[]
  /** How long a file has to stay as it is before it is taken, in milliseconds. */
  settleMs: number
  /** As in `ChangeOptions`. */
  poll: boolean
  excludeFolders: readonly string[]
  /** Finds all inputs in the folders, whether done or not; none is no error. */
  find: () => Promise<Candidates>
  /** Options of a batch over these inputs; events go to `onEvent` below. */
  batchOptions: (candidates: Candidates) => Omit<BatchOptions, 'signal' | 'onEvent'>
  /** When it aborts, images in work are finished, and the watching ends. */
  signal: AbortSignal
  onEvent: (event: BatchEvent) => void
}

/**
 * Watches folders until the signal aborts. A picture that fails is told of and stops nothing: it is tried again when it
 * changes, or when the command starts again.
 *
 * @returns the sum of all batches
 * @throws RmbgError what would fail every other image as well, after the summary of what was done until then
 */
export async function watchFolders(services: BatchServices, options: WatchOptions): Promise<SummaryEvent> {
  const watching = begin(options)
  const { pending, ended } = watching
  const endWatching = await watchChanges(options.folders, {
    ...options,
    onChange: pending.touch,
    onError: (error) => {
      watching.failure ??= error
      ended.abort()
    },
  })
  try {
    const { folders } = options
    const message = `Watching ${folders.join(', ')}. Ctrl-C ends it in order.`
    options.onEvent({ type: 'notice', code: 'watching', folders: [...folders], message })
    await work(watching, services, await unsettled(watching))
    while (!ended.signal.aborted) {
      const ready = new Set(await nextSettled(watching))
      if (ready.size > 0) await work(watching, services, (path) => ready.has(path))
    }
  } finally {
    await endWatching()
    await closePixelThreads()
    options.onEvent(finalSummary(watching))
  }
  if (watching.failure) throw watching.failure
  return finalSummary(watching)
}

interface Watching {
  options: WatchOptions
  pending: Settling
  /** Aborted by the signal, or by a failure of the watching itself. */
  ended: AbortController
  failure: RmbgError | undefined
  startedAt: number
  /** In batches, without the waiting between them. */
  workedMs: number
  /** Of what is told once, what was told. */
  told: Set<string>
  /** The sum of all batches so far. */
  summary: SummaryEvent
}

function begin(options: WatchOptions): Watching {
  const ended = new AbortController()
  const end = () => ended.abort()
  if (options.signal.aborted) end()
  else options.signal.addEventListener('abort', end, { once: true })
  return {
    options,
    pending: settling(options.settleMs),
    ended,
    failure: undefined,
    startedAt: performance.now(),
    workedMs: 0,
    told: new Set(),
    summary: {
      ...{ type: 'summary', runId: uuidv7(), images: 0, completed: 0, skipped: 0, failed: 0, planned: 0 },
      ...{ ownCutouts: 0, kept: 0, needReview: 0, remaining: 0, interrupted: false, elapsedMs: 0 },
      ...{ imagesPerSecond: 0, failures: [] },
    },
  }
}

/**
 * What lies there at the start is taken at once, unless it is so new that it may still be written: that has to settle.
 *
 * @returns whether a path is taken
 */
async function unsettled({ options, pending }: Watching): Promise<(path: string) => boolean> {
  const young = new Set<string>()
  const looks = boundedTasks(concurrentLooks)
  for (const { path } of await options.find()) {
    await looks.add(async () => {
      const file = await lookAtFile(path)
      if (!file || isOld(file, options.settleMs)) return
      young.add(path)
      pending.touch(path)
    })
  }
  await looks.settled()
  return (path) => !young.has(path)
}

/** Files that are looked at together. */
const concurrentLooks = 32

const isOld = ({ size, mtimeNs }: FileState, ageMs: number): boolean =>
  size > 0 && Date.now() - Number(mtimeNs / 1_000_000n) >= ageMs

/** Waits until files have settled, or the watching ends. */
async function nextSettled({ options: { settleMs }, pending, ended }: Watching): Promise<string[]> {
  const pauseMs = Math.min(Math.max(settleMs / 4, 50), 500)
  while (!ended.signal.aborted) {
    const ready = pending.waiting > 0 ? await pending.settled() : []
    if (ready.length > 0) return ready
    await sleep(pauseMs, undefined, { signal: ended.signal }).catch(() => {})
  }
  return []
}

/** One batch. All inputs are looked up anew, by the same rules as ever; those that are not wanted are left. */
async function work(
  watching: Watching,
  services: BatchServices,
  isWanted: (path: string) => boolean,
): Promise<void> {
  const { options, summary, ended } = watching
  const inputs = await options.find()
  const candidates = chosen(inputs, isWanted)
  if (candidates.length === 0 || ended.signal.aborted) return
  const done = await runBatch(candidates, services, {
    ...options.batchOptions(inputs),
    ...{ runId: summary.runId, inputs, signal: ended.signal },
    onEvent: (event) => tell(watching, event),
  })
  add(watching, done)
}

function chosen(inputs: Candidates, isWanted: (path: string) => boolean): Candidates {
  const wanted: Candidate[] = []
  for (const candidate of inputs) if (isWanted(candidate.path)) wanted.push(candidate)
  return wanted
}

/** Many batches are one run: it starts once and ends once, and the cut-outs that it has made itself are no news. */
function tell({ options, told }: Watching, event: BatchEvent): void {
  const what = event.type === 'notice' ? event.code : event.type
  if (what === 'summary' || what === 'own-cutouts') return
  if (event.type === 'image' && event.status === 'skipped' && isOwn(event)) return
  if (toldOnce.includes(what)) {
    if (told.has(what)) return
    told.add(what)
  }
  options.onEvent(event)
}

const isOwn = ({ reason }: SkippedEvent): boolean => reason === 'own-cutout' || reason === 'own-mask'

const toldOnce: readonly string[] = ['start', 'model', 'model-chosen', 'device-fallback']

/** Failures that a summary names. */
const failuresNamed = 1000

function add(watching: Watching, batch: SummaryEvent): void {
  const { summary } = watching
  watching.workedMs += batch.elapsedMs
  for (const figure of ['completed', 'failed', 'kept', 'needReview', 'remaining'] as const)
    summary[figure] += batch[figure]
  summary.images += batch.images - batch.ownCutouts
  summary.skipped += batch.skipped - batch.ownCutouts
  summary.interrupted ||= batch.interrupted
  summary.failures = [...summary.failures, ...batch.failures].slice(0, failuresNamed)
}

function finalSummary({ summary, startedAt, workedMs }: Watching): SummaryEvent {
  return {
    ...summary,
    elapsedMs: Math.round(performance.now() - startedAt),
    imagesPerSecond: Math.round((summary.completed / Math.max(workedMs, 1)) * 1e5) / 100,
  }
}
