import { beforeEach, expect, it } from 'vitest'
import type { Cache } from '../../src/cache/contract.ts'
import { noCache } from '../../src/cache/none.ts'
import { collectReport, collectStatistics } from '../../src/jobs/statistics.ts'
import { onBothDatabases } from '../database/databases.ts'
import { makeJob } from '../support/jobs.ts'

const lastWeek = { since: { ago: '6 days' }, until: undefined, limit: 50 }

/** Keeps answers as Redis does, in this process. */
function countingCache(): Cache & { made: number } {
  const answers = new Map<string, unknown>()
  const cache = {
    ...noCache,
    made: 0,
    remember: async <T>(key: string, version: string, make: () => Promise<T>): Promise<T> => {
      const name = `${key} ${version}`
      if (!answers.has(name)) {
        cache.made++
        answers.set(name, await make())
      }
      return answers.get(name) as T
    },
  }
  return cache
}

onBothDatabases('statistics', (database) => {
  beforeEach(async () => {
    const { sql } = database()
    await sql`delete from image_process_jobs`
    await sql`delete from open_jobs`
    for (const table of ['usage_changes', 'daily_usage', 'daily_latency'])
      await sql`delete from ${sql(table)}`
  })

  it('count what ended in the period, what is unfinished now, and what is stored now', async () => {
    const { sql } = database()
    await makeJob(sql, { user: 'anna', tags: ['spring'] })
    await makeJob(sql, { user: 'bob', status: 'failed' })
    await makeJob(sql, { user: 'bob', ageDays: 300 })
    await makeJob(sql, { status: 'pending' })
    const statistics = await collectStatistics(database(), noCache, { by: 'user', ...lastWeek })
    expect(statistics).toMatchObject({
      by: 'user',
      total: { jobs: 2, completed: 1, failed: 1, errorRate: 50, meanMs: 500 },
      unfinished: { pending: 1, processing: 0 },
      verdicts: { accepted: 0, rejected: 0 },
    })
    expect(statistics.groups.map(({ value, jobs }) => [value, jobs]).sort()).toEqual([
      ['anna', 1],
      ['bob', 1],
    ])
    expect(statistics.store?.original).toBeGreaterThan(0)
  })

  it('tell every day of the period, and no more groups than wanted', async () => {
    const { sql } = database()
    for (const user of ['anna', 'bob', 'carl']) await makeJob(sql, { user })
    const daily = await collectStatistics(database(), noCache, { by: 'day', ...lastWeek })
    expect(daily.groups).toHaveLength(7)
    const users = await collectStatistics(database(), noCache, { by: 'user', ...lastWeek, limit: 2 })
    expect(users.groups).toHaveLength(2)
    expect(users.total.jobs).toBe(3)
  })

  it('come from the cache until something changes', async () => {
    const cache = countingCache()
    const jobs = async () =>
      (await collectStatistics(database(), cache, { by: 'model', ...lastWeek })).total.jobs
    await makeJob(database().sql)
    expect([await jobs(), await jobs(), cache.made]).toEqual([1, 1, 1])
    await makeJob(database().sql)
    expect([await jobs(), cache.made]).toEqual([2, 2])
  })

  it('refuse a period that ends before it begins', async () => {
    const backwards = {
      since: { at: '2026-05-01T00:00:00Z' },
      until: { at: '2026-04-01T00:00:00Z' },
      limit: 1,
    }
    await expect(collectStatistics(database(), noCache, { by: 'day', ...backwards })).rejects.toMatchObject({
      code: 'USAGE',
    })
  })

  it('make a report of the days, and of everything else by name', async () => {
    await makeJob(database().sql, { tags: ['spring'] })
    const { daily, others } = await collectReport(database(), noCache, lastWeek)
    expect(daily.by).toBe('day')
    expect(others.map(({ by, groups }) => [by, groups.map(({ value }) => value)])).toEqual([
      ['user', ['anna']],
      ['model', ['silhouette']],
      ['tag', ['spring']],
      ['error', []],
    ])
  })
})
