/** Many batches that are one run: it starts once, ends once, and adds up what became of all images. */
import { v7 as uuidv7 } from 'uuid'
import { runBatch } from '../batch.ts'
import type { BatchOptions, BatchServices } from '../contract.ts'
import type { BatchEvent, ImageEvent, SkippedEvent, SummaryEvent } from '../events.ts'
import type { Candidates } from '../inputs.ts'
import { count, emptyTally, summaryOf } from '../tally.ts'

export interface WatchRun {
  /** Aborted by the signal, or by `fail`. */
  readonly ended: AbortSignal
  /** Ends the run with an error, which `end` throws. The first one counts. */
  fail(error: unknown): void
  /**
   * One batch of the run.
   *
   * @param options.onImage told of each image before anybody else; false: it is no news, and is neither told nor counted
   */
  batch(
    candidates: Candidates,
    services: BatchServices,
    options: Omit<BatchOptions, 'signal' | 'onEvent' | 'runId'> & {
      signal?: AbortSignal
      onImage?: (event: ImageEvent) => boolean
    },
  ): Promise<void>
  /** Tells the sum of all batches, and returns it unless the run failed. */
  end(): SummaryEvent
}

interface RunOptions {
  /** When it aborts, images in work are finished, and the run ends. */
  signal: AbortSignal
  onEvent: (event: BatchEvent) => void
}

export function openWatchRun({ signal, onEvent }: RunOptions): WatchRun {
  const ending = new AbortController()
  const ended = AbortSignal.any([signal, ending.signal])
  const startedAt = performance.now()
  const runId = uuidv7()
  const tally = emptyTally()
  const told = new Set<string>()
  let failure: { reason: unknown } | undefined
  /** In batches, without the waiting between them. */
  let workedMs = 0
  let remaining = 0
  const tell = (event: BatchEvent) => {
    const what = event.type === 'notice' ? event.code : event.type
    // The cut-outs that it has made itself are no news.
    if (what === 'summary' || what === 'own-cutouts') return
    if (event.type === 'image') {
      if (event.status === 'skipped' && isOwn(event)) return
      count(tally, event)
    }
    if (toldOnce.includes(what)) {
      if (told.has(what)) return
      told.add(what)
    }
    onEvent(event)
  }
  const summary = (): SummaryEvent => {
    const { completed, skipped, failed, planned } = tally
    const images = completed + skipped + failed + planned + remaining
    const figures = { runId, images, isListed: true, elapsedMs: Math.round(performance.now() - startedAt) }
    return {
      ...summaryOf(tally, { ...figures, isStopped: remaining > 0 }),
      imagesPerSecond: Math.round((completed / Math.max(workedMs, 1)) * 1e5) / 100,
    }
  }
  return {
    ended,
    fail: (reason) => {
      failure ??= { reason }
      ending.abort()
    },
    batch: async (candidates, services, { onImage = () => true, signal: stop, ...options }) => {
      const done = await runBatch(candidates, services, {
        ...options,
        ...{ runId, signal: stop ? AbortSignal.any([ended, stop]) : ended },
        onEvent: (event) => {
          if (event.type !== 'image' || onImage(event)) tell(event)
        },
      })
      workedMs += done.elapsedMs
      // What is not taken because something else comes first is taken later.
      if (!stop?.aborted || ended.aborted) remaining += done.remaining
    },
    end: () => {
      const figures = summary()
      onEvent(figures)
      if (failure) throw failure.reason
      return figures
    },
  }
}

const isOwn = ({ reason }: SkippedEvent): boolean => reason === 'own-cutout' || reason === 'own-mask'

const toldOnce: readonly string[] = ['start', 'model', 'model-chosen', 'device-fallback']
