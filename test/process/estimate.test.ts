import { describe, expect, it } from 'vitest'
import type { RecentJob } from '../../src/database/recent-jobs.ts'
import { forecast } from '../../src/process/estimate.ts'
import { objectKinds } from '../../src/store/contract.ts'

/** Jobs of a second each that were begun so many milliseconds after another. */
const jobs = (count: number, everyMs: number, changes: Partial<RecentJob> = {}): RecentJob[] =>
  Array.from({ length: count }, (_, index) => ({
    startedAtMs: index * everyMs,
    completedAtMs: index * everyMs + 1000,
    sourceBytes: 1000,
    maskBytes: 100,
    processedBytes: 500,
    isSame: true,
    ...changes,
  }))
const wanted = { images: 100, inputBytes: 100_000, keep: objectKinds }

describe('the forecast of a run', () => {
  it('counts the time in which images were in work: overlap once, and pauses not at all', () => {
    expect(forecast(jobs(50, 1000), wanted).seconds).toBe(100)
    expect(forecast(jobs(50, 500), wanted).seconds).toBe(51)
    expect(forecast(jobs(50, 60_000), wanted).seconds).toBe(100)
  })

  it('adds up what is kept, and nothing else', () => {
    expect(forecast(jobs(50, 1000), wanted).storedBytes).toBe(160_000)
    expect(forecast(jobs(50, 1000), { ...wanted, keep: ['mask'] }).storedBytes).toBe(10_000)
    expect(forecast(jobs(50, 1000), { ...wanted, keep: [] }).storedBytes).toBe(0)
  })

  it('goes by pictures of a similar size and by the same settings, where there are enough of them', () => {
    const large = jobs(50, 1000, { sourceBytes: 100_000, processedBytes: 50_000 })
    const others = jobs(50, 1000, { isSame: false, processedBytes: 10 })
    const figures = forecast([...jobs(20, 500), ...large, ...others], { ...wanted, keep: ['processed'] })
    expect(figures.storedBytes).toBe(50_000)
    expect(forecast([...jobs(3, 1000), ...large], { ...wanted, keep: ['processed'] }).storedBytes).toBe(
      Math.round(((3 * 500 + 50 * 50_000) / 53) * 100),
    )
  })

  it('says nothing of a model that nobody has used yet', () => {
    expect(forecast([], wanted)).toEqual({ storedBytes: null, seconds: null })
  })
})
