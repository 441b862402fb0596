import { expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { ImageEvent } from '../../src/process/events.ts'
import { count, emptyTally, storeKeepsFailing, summaryOf } from '../../src/process/tally.ts'

const paths = { originalPath: 'original/x.jpg', maskPath: 'mask/x.png', processedPath: 'processed/x.png' }
const stages = { read: 0, decode: 0, model: 1, composite: 0, encode: 0, store: 0, database: 0 }
const completed = (...reasons: string[]): ImageEvent => ({
  ...{ type: 'image', status: 'completed', input: 'x.jpg', jobId: 'id', attempt: 1, ...paths },
  ...{ width: 4, height: 3, provider: 'cpu', processingTimeMs: 1, stages, review: { reasons } },
  ...{ inputBytes: 10, storedBytes: 30 },
})
const skipped = (reasons: string[] | null): ImageEvent => ({
  ...{ type: 'image', status: 'skipped', input: 'x.jpg', reason: 'unchanged', jobId: 'id', ...paths },
  review: reasons && { reasons },
})
const planned: ImageEvent = { type: 'image', status: 'planned', input: 'x.jpg', bytes: 1 }
const failed = (code: ErrorCode): ImageEvent => ({
  ...{ type: 'image', status: 'failed', input: 'x.jpg', code, message: 'It failed.', hint: 'Mend it.' },
})

function tallyOf(...events: ImageEvent[]) {
  const tally = emptyTally()
  for (const event of events) count(tally, event)
  return tally
}

it('counts what became of each image, and lists the failed ones', () => {
  const tally = tallyOf(completed(), completed(), skipped(null), planned, failed('INPUT_EMPTY'))
  expect(tally).toMatchObject({ completed: 2, skipped: 1, planned: 1, failed: 1, needReview: 0 })
  expect(tally.failures).toEqual([{ input: 'x.jpg', code: 'INPUT_EMPTY', message: 'It failed.' }])
})

it('counts inputs that are cut-outs of ours among the skipped, and files that were kept', () => {
  const own = { ...skipped(null), reason: 'own-cutout' } as ImageEvent
  const output = (state: string) => ({ path: '/x.png', state, reason: 'foreign' })
  const tally = tallyOf(
    own,
    { ...completed(), output: output('kept') } as ImageEvent,
    { ...skipped([]), output: output('kept') } as ImageEvent,
    { ...planned, output: output('kept') } as ImageEvent,
    { ...completed(), output: output('written') } as ImageEvent,
  )
  expect(tally).toMatchObject({ completed: 2, skipped: 2, planned: 1, ownCutouts: 1, kept: 3 })
  const masks = [
    { ...own, reason: 'own-mask' },
    { ...planned, maskOutput: output('kept') },
  ] as ImageEvent[]
  expect(tallyOf(...masks)).toMatchObject({ ownCutouts: 1, kept: 1 })
})

it('counts pictures of which only the first frame was taken, apart from the summary', () => {
  const tally = tallyOf({ ...completed(), frames: 12 } as ImageEvent, completed())
  expect(tally.firstFrames).toBe(1)
  const of = { runId: 'run', images: 2, elapsedMs: 1, isListed: true, isStopped: false }
  expect(summaryOf(tally, of)).not.toHaveProperty('firstFrames')
})

it('counts what needs review among the completed and the skipped', () => {
  const tally = tallyOf(
    completed('empty', 'rules'),
    completed(),
    skipped(['empty']),
    skipped([]),
    skipped(null),
  )
  expect(tally.needReview).toBe(2)
})

it('knows a store that fails image after image, and forgives when one is completed', () => {
  const down = failed('STORE_UNAVAILABLE')
  expect(storeKeepsFailing(tallyOf(down, failed('STORE_CHECKSUM')))).toBe(false)
  expect(storeKeepsFailing(tallyOf(down, failed('STORE_CHECKSUM'), down))).toBe(true)
  expect(storeKeepsFailing(tallyOf(down, down, completed(), down))).toBe(false)
  // Neither says that the store works.
  expect(storeKeepsFailing(tallyOf(down, down, skipped(null), failed('INPUT_EMPTY'), down))).toBe(true)
  expect(storeKeepsFailing(tallyOf(...Array(9).fill(failed('STORE_OBJECT_MISSING'))))).toBe(false)
})

it('sums up a run', () => {
  const of = { runId: 'run', images: 4, elapsedMs: 1500, isListed: true, isStopped: true }
  expect(summaryOf(tallyOf(completed(), completed('empty'), failed('INPUT_EMPTY')), of)).toEqual({
    ...{ type: 'summary', runId: 'run', images: 4, completed: 2, skipped: 0, failed: 1, planned: 0 },
    ...{
      ownCutouts: 0,
      kept: 0,
      needReview: 1,
      remaining: 1,
      interrupted: true,
      elapsedMs: 1500,
      imagesPerSecond: 1.33,
    },
    failures: [{ input: 'x.jpg', code: 'INPUT_EMPTY', message: 'It failed.' }],
  })
})

it('calls a run interrupted only where it was stopped before its end', () => {
  const of = { runId: 'run', images: 1, isListed: true, elapsedMs: 0 }
  const interrupted = (images: ImageEvent[], isStopped: boolean) =>
    summaryOf(tallyOf(...images), { ...of, isStopped }).interrupted
  expect(interrupted([], true)).toBe(true)
  expect(interrupted([], false)).toBe(false)
  expect(interrupted([completed()], true)).toBe(false)
  expect(summaryOf(tallyOf(completed()), { ...of, isStopped: false }).imagesPerSecond).toBe(1000)
})

it('counts no cut-out to review that a person has accepted, and every one that was rejected', () => {
  const judged = (verdict: 'accepted' | 'rejected', ...reasons: string[]) =>
    ({ ...skipped(reasons), verdict }) as ImageEvent
  expect(tallyOf(judged('accepted', 'halo'), skipped(['halo']), judged('rejected')).needReview).toBe(2)
})
