import type { Cache } from '../cache/contract.ts'
import type { Database } from '../database/contract.ts'
import type { Instant } from '../database/sql-time.ts'
import {
  type Dimension,
  foldUsage,
  type Period,
  resolvePeriod,
  type StoredBytes,
  storedBytes,
  type Usage,
  unfinishedJobs,
  usageBy,
  usageTotal,
  usageVersion,
} from '../database/usage.ts'
import { verdictCounts } from '../database/verdicts.ts'
import { RmbgError } from '../errors.ts'

/** What happened in a period, and what stands open and is stored now. */
export interface Statistics extends Period {
  by: Dimension
  total: Usage
  groups: Usage[]
  unfinished: { pending: number; processing: number }
  /** Jobs of the period that people have judged. */
  verdicts: { accepted: number; rejected: number }
  store: StoredBytes
}

export interface StatisticsOptions {
  by: Dimension
  since: Instant
  until: Instant | undefined
  /** Groups at most; days are all told. */
  limit: number
}

/**
 * Statistics of a period, from the rollup and the changes that are not folded into it yet: exact at any moment, and
 * independent of how many jobs there are. The rollup is folded on the way where this role may.
 *
 * @throws RmbgError USAGE when the period ends before it begins
 */
export async function collectStatistics(
  { sql }: Database,
  cache: Cache,
  options: StatisticsOptions,
): Promise<Statistics> {
  await foldUsage(sql).catch((error) => {
    if (!(error instanceof RmbgError) || error.code !== 'DATABASE_DENIED') throw error
  })
  const period = await resolvePeriod(sql, options)
  if (period.from > period.to) {
    throw new RmbgError('USAGE', `The period ends (${period.to}) before it begins (${period.from}).`)
  }
  const { by, limit } = options
  const key = `stats:${by}:${period.from}:${period.to}:${limit}`
  const { total, groups } = await cache.remember(key, await usageVersion(sql), async () => ({
    total: await usageTotal(sql, period),
    groups: await usageBy(sql, by, period, limit),
  }))
  const [unfinished, store] = [await unfinishedJobs(sql), await storedBytes(sql)]
  const verdicts = await verdictCounts(sql, period)
  return { ...period, by, total, groups, unfinished, verdicts, store }
}

/** A period by day, and by everything else that a report shows. */
export interface Report {
  daily: Statistics
  others: Statistics[]
}

/** @throws RmbgError USAGE as `collectStatistics` */
export async function collectReport(
  database: Database,
  cache: Cache,
  options: Omit<StatisticsOptions, 'by'>,
): Promise<Report> {
  const daily = await collectStatistics(database, cache, { ...options, by: 'day' })
  const others: Statistics[] = []
  for (const by of ['user', 'model', 'tag', 'error'] as const) {
    others.push(await collectStatistics(database, cache, { ...options, by }))
  }
  return { daily, others }
}
