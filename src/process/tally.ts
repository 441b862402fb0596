/** What became of the images of a run, in figures: no clock, no output. */
import { passingStoreErrors } from '../errors.ts'
import type { ImageEvent, SummaryEvent } from './events.ts'

/** Store failures in a row, each after the store's own retries, that end a run: the next would fail too. */
const storeFailureLimit = 3

/** Failures that a summary names. A list of a million names that are all wrong must not fill the memory. */
const failuresNamed = 1000

export interface Tally
  extends Pick<
    SummaryEvent,
    'completed' | 'skipped' | 'failed' | 'planned' | 'ownCutouts' | 'kept' | 'needReview' | 'failures'
  > {
  /** Completed images that have more than one frame or page. */
  firstFrames: number
  /** Failures of the store since an image was last completed. */
  storeFailuresInARow: number
}

export const emptyTally = (): Tally => ({
  completed: 0,
  skipped: 0,
  failed: 0,
  planned: 0,
  ownCutouts: 0,
  kept: 0,
  needReview: 0,
  failures: [],
  firstFrames: 0,
  storeFailuresInARow: 0,
})

/** Counts one image in. */
export function count(tally: Tally, event: ImageEvent): void {
  tally[event.status]++
  if (event.status === 'completed') {
    tally.storeFailuresInARow = 0
    if (event.frames !== undefined) tally.firstFrames++
  }
  if (event.status === 'skipped' && ['own-cutout', 'own-mask'].includes(event.reason)) tally.ownCutouts++
  if ('output' in event && event.output?.state === 'kept') tally.kept++
  if ('maskOutput' in event && event.maskOutput?.state === 'kept') tally.kept++
  if (needsReview(event)) tally.needReview++
  if (event.status !== 'failed') return
  const { input, code, message } = event
  if (tally.failures.length < failuresNamed) tally.failures.push({ input, code, message })
  if (passingStoreErrors.includes(code)) tally.storeFailuresInARow++
}

/** What a person has said wins over what the mask tells. */
function needsReview(event: ImageEvent): boolean {
  if (!('review' in event)) return false
  if ('verdict' in event && event.verdict !== undefined) return event.verdict === 'rejected'
  return (event.review?.reasons.length ?? 0) > 0
}

/** Whether the store keeps failing: then every other image would fail as well. */
export const storeKeepsFailing = ({ storeFailuresInARow }: Tally): boolean =>
  storeFailuresInARow >= storeFailureLimit

/**
 * @param of.images of the whole run, counted in or not
 * @param of.isListed whether these are all
 * @param of.isStopped somebody asked the run to stop
 */
export function summaryOf(
  tally: Tally,
  of: { runId: string; images: number; isListed: boolean; elapsedMs: number; isStopped: boolean },
): SummaryEvent {
  const { storeFailuresInARow: _, firstFrames: __, ...figures } = tally
  const remaining = of.images - (tally.completed + tally.skipped + tally.failed + tally.planned)
  return {
    type: 'summary',
    runId: of.runId,
    images: of.images,
    ...figures,
    remaining,
    interrupted: of.isStopped && (remaining > 0 || !of.isListed),
    elapsedMs: of.elapsedMs,
    imagesPerSecond: Math.round((tally.completed / Math.max(of.elapsedMs, 1)) * 1e5) / 100,
  }
}
