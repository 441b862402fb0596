/** Hot folders: what is not done yet is done, then what comes, in batches that share one model and one run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { boundedTasks } from '../bounded-tasks.ts'
import { closePixelThreads } from '../cutout/pool.ts'
import type { BatchOptions, BatchServices } from './contract.ts'
import type { BatchEvent, SummaryEvent } from './events.ts'
import type { Candidate, Candidates } from './inputs.ts'
import { watchChanges } from './watch/changes.ts'
import { openWatchRun, type WatchRun } from './watch/run.ts'
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
  const run = openWatchRun(options)
  const watching: Watching = { options, run, pending: settling(options.settleMs) }
  const endWatching = await watchChanges(options.folders, {
    ...options,
    onChange: watching.pending.touch,
    onError: run.fail,
  })
  try {
    const { folders } = options
    const message = `Watching ${folders.join(', ')}. Ctrl-C ends it in order.`
    options.onEvent({ type: 'notice', code: 'watching', folders: [...folders], message })
    await work(watching, services, await unsettled(watching))
    while (!run.ended.aborted) {
      const ready = new Set(await nextSettled(watching))
      if (ready.size > 0) await work(watching, services, (path) => ready.has(path))
    }
  } catch (error) {
    run.fail(error)
  }
  await endWatching()
  await closePixelThreads()
  return run.end()
}

interface Watching {
  options: WatchOptions
  run: WatchRun
  pending: Settling
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
async function nextSettled({ options: { settleMs }, pending, run: { ended } }: Watching): Promise<string[]> {
  const pauseMs = Math.min(Math.max(settleMs / 4, 50), 500)
  while (!ended.aborted) {
    const ready = pending.waiting > 0 ? await pending.settled() : []
    if (ready.length > 0) return ready
    await sleep(pauseMs, undefined, { signal: ended }).catch(() => {})
  }
  return []
}

/** One batch. All inputs are looked up anew, by the same rules as ever; those that are not wanted are left. */
async function work(
  { options, run }: Watching,
  services: BatchServices,
  isWanted: (path: string) => boolean,
): Promise<void> {
  const inputs = await options.find()
  const candidates = chosen(inputs, isWanted)
  if (candidates.length === 0 || run.ended.aborted) return
  await run.batch(candidates, services, { ...options.batchOptions(inputs), inputs })
}

function chosen(inputs: Candidates, isWanted: (path: string) => boolean): Candidates {
  const wanted: Candidate[] = []
  for (const candidate of inputs) if (isWanted(candidate.path)) wanted.push(candidate)
  return wanted
}
