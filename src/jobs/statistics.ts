import type { Cache } from '../cache/contract.ts'
import type { Database } from '../database/contract.ts'
import type { ReplicaState } from '../database/replica.ts'
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

/** What happened in a period, and what stands open and is stored now, which an export cannot know. */
export interface Statistics extends Period {
  by: Dimension
  total: Usage
  groups: Usage[]
  unfinished: { pending: number; processing: number } | null
  /** Jobs of the period that people have judged. */
  verdicts: { accepted: number; rejected: number } | null
  store: StoredBytes | null
  /** The replica that was asked; absent where the primary was. */
  replica?: ReplicaState
}

export interface StatisticsDatabase extends Pick<Database, 'sql'> {
  /** Nothing may be written to it. */
  isReplica?: boolean
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
  { sql, isReplica = false }: StatisticsDatabase,
  cache: Cache,
  options: StatisticsOptions,
): Promise<Statistics> {
  if (!isReplica) {
    await foldUsage(sql).catch((error) => {
      if (!(error instanceof RmbgError) || error.code !== 'DATABASE_DENIED') throw error
    })
  }
  const period = await resolvePeriod(sql, options)
  assertForward(period)
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

/** @throws RmbgError USAGE when the period ends before it begins */
export function assertForward({ from, to }: Period): void {
  if (from > to) throw new RmbgError('USAGE', `The period ends (${to}) before it begins (${from}).`)
}

/** A period by day, and by everything else that a report shows. */
export interface Report {
  daily: Statistics
  others: Statistics[]
}

/** @throws RmbgError USAGE as `collectStatistics` */
export const collectReport = (
  database: StatisticsDatabase,
  cache: Cache,
  options: Omit<StatisticsOptions, 'by'>,
): Promise<Report> => reportOf((asked) => collectStatistics(database, cache, asked), options)

/** @param collect what is asked once for each kind of group */
export async function reportOf(
  collect: (options: StatisticsOptions) => Promise<Statistics>,
  options: Omit<StatisticsOptions, 'by'>,
): Promise<Report> {
  const daily = await collect({ ...options, by: 'day' })
  const others: Statistics[] = []
  for (const by of ['user', 'model', 'tag', 'error'] as const) others.push(await collect({ ...options, by }))
  return { daily, others }
}
