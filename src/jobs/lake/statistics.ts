/** Statistics of an export: the figures of `rmbg stats`, of all jobs that were ever exported, without a database. */
import { join } from 'node:path'
import type { Instant } from '../../database/sql-time.ts'
import { type Dimension, noUsage, type Period, type Usage, usageByStatus } from '../../database/usage.ts'
import { RmbgError } from '../../errors.ts'
import {
  assertForward,
  type Report,
  reportOf,
  type Statistics,
  type StatisticsOptions,
} from '../statistics.ts'
import { noJobs } from './columns.ts'
import { type DuckDb, literal, openDuckDb } from './duckdb.ts'
import { fetchTo } from './fetch.ts'
import { type ExportManifest, type ExportPlace, monthKey, readManifest } from './manifest.ts'
import { inWorkFolder } from './work-folder.ts'

/** An export that was opened for questions. */
export interface OpenExport {
  statistics(options: StatisticsOptions): Promise<Statistics>
  report(options: Omit<StatisticsOptions, 'by'>): Promise<Report>
}

/**
 * Opens an export for questions. Months of a bucket are fetched when they are first asked for, and only these.
 *
 * @throws RmbgError NOT_FOUND where there is none, CONFIG_INVALID without DuckDB; of family `store`
 */
export async function withExport<T>(
  place: ExportPlace,
  action: (opened: OpenExport) => Promise<T>,
): Promise<T> {
  const manifest = await readManifest(place)
  if (!manifest) {
    throw new RmbgError('NOT_FOUND', `There is no export in ${place.location}.`, {
      hint: `rmbg export --parquet ${place.location} makes one.`,
    })
  }
  return inWorkFolder(async (folder) => {
    const duckDb = await openDuckDb(folder)
    const files = monthFiles(place, folder)
    const statistics = (options: StatisticsOptions) => statisticsOf({ duckDb, manifest, files }, options)
    try {
      return await action({ statistics, report: (options) => reportOf(statistics, options) })
    } finally {
      duckDb.close()
    }
  })
}

/** The file of a month: in the folder of the export itself, or fetched from its bucket. */
function monthFiles(place: ExportPlace, folder: string): (month: string) => Promise<string> {
  const fetched = new Map<string, Promise<string>>()
  const fetchMonth = async (month: string) => {
    const path = join(folder, `${month}.parquet`)
    await fetchTo(place, monthKey(month), path)
    return path
  }
  return async (month) => {
    if (place.store.bucket === undefined) return join(place.store.location, monthKey(month))
    const known = fetched.get(month) ?? fetchMonth(month)
    fetched.set(month, known)
    return known
  }
}

interface Opened {
  duckDb: DuckDb
  manifest: ExportManifest
  files: (month: string) => Promise<string>
}

async function statisticsOf(
  { duckDb, manifest, files }: Opened,
  { by, since, until, limit }: StatisticsOptions,
): Promise<Statistics> {
  const period = await periodOf(duckDb, { since, until })
  assertForward(period)
  const months = manifest.months.filter(
    ({ month }) => month >= period.from.slice(0, 7) && month <= period.to.slice(0, 7),
  )
  const paths: string[] = []
  for (const { month } of months) paths.push(await files(month))
  await duckDb.run(ended(paths, period))
  const total = await totalOf(duckDb)
  const groups = await groupsOf(duckDb, { by, period, limit, total })
  return { ...period, by, total, groups, unfinished: null, verdicts: null, store: null }
}

/** As `resolvePeriod` resolves it in a database. Here the clock is that of this machine. */
async function periodOf(
  duckDb: DuckDb,
  { since, until }: { since: Instant; until: Instant | undefined },
): Promise<Period> {
  const at = (when: Instant) =>
    'at' in when
      ? `CAST(${literal(when.at)} AS TIMESTAMPTZ)`
      : `now() - CAST(${literal(when.ago)} AS INTERVAL)`
  const last = until ? `${at(until)} - INTERVAL 1 MICROSECOND` : 'now()'
  const [period] = await duckDb.rows<Period>(
    `SELECT (${at(since)})::DATE::VARCHAR AS "from", (${last})::DATE::VARCHAR AS "to"`,
  )
  if (!period) throw new TypeError('Expected a row')
  return period
}

/** The jobs of the period, each as what it counts for in the statistics: as usage_of() has it in the database. */
const ended = (paths: readonly string[], { from, to }: Period): string => `
  CREATE OR REPLACE TEMP VIEW ended AS
  SELECT created_at::DATE AS day, user_id, model, coalesce(error_code, 'UNKNOWN') AS error, tags,
    status = 'completed' AS done, status = 'completed' AND coalesce(needs_review, false) AS review,
    CASE WHEN status = 'completed' THEN processing_time_ms END AS ms,
    CASE WHEN list_contains(kept, 'original') AND NOT original_shared THEN coalesce(original_bytes, 0) ELSE 0 END
      + CASE WHEN list_contains(kept, 'mask') THEN coalesce(mask_bytes, 0) ELSE 0 END
      + CASE WHEN list_contains(kept, 'processed') THEN coalesce(processed_bytes, 0) ELSE 0 END AS stored
  FROM ${paths.length === 0 ? `(${noJobs})` : `read_parquet([${paths.map(literal).join(', ')}], hive_partitioning = false, union_by_name = true)`}
  WHERE created_at >= ${literal(`${from} 00:00:00+00`)}::TIMESTAMPTZ
    AND created_at < ${literal(`${to} 00:00:00+00`)}::TIMESTAMPTZ + INTERVAL 1 DAY`

const figures = `
  count(*)::DOUBLE AS jobs, (count(*) FILTER (done))::DOUBLE AS completed, (count(*) FILTER (NOT done))::DOUBLE AS failed,
  (count(*) FILTER (review))::DOUBLE AS "needReview",
  (100.0 * count(*) FILTER (NOT done) / nullif(count(*), 0))::DOUBLE AS "errorRate", avg(ms)::DOUBLE AS "meanMs",
  quantile_cont(ms, 0.25)::DOUBLE AS "p25Ms", quantile_cont(ms, 0.5)::DOUBLE AS "p50Ms",
  quantile_cont(ms, 0.75)::DOUBLE AS "p75Ms", quantile_cont(ms, 0.95)::DOUBLE AS "p95Ms",
  coalesce(sum(stored), 0)::DOUBLE AS "storedBytes"`

async function totalOf(duckDb: DuckDb): Promise<Usage> {
  const [row] = await duckDb.rows<Usage>(`SELECT 'all' AS value, ${figures} FROM ended`)
  return row ?? noUsage('all')
}

/** What jobs are counted by: a value for each, or several. */
const sources: Record<Exclude<Dimension, 'day' | 'status'>, string> = {
  user: 'SELECT user_id AS value, * FROM ended',
  model: 'SELECT model AS value, * FROM ended',
  error: 'SELECT error AS value, * FROM ended WHERE NOT done',
  tag: 'SELECT unnest(tags) AS value, * FROM ended',
}

interface GroupOptions {
  by: Dimension
  period: Period
  limit: number
  total: Usage
}

async function groupsOf(duckDb: DuckDb, { by, period, limit, total }: GroupOptions): Promise<Usage[]> {
  if (by === 'status') return usageByStatus(total)
  if (by === 'day') {
    const days = await duckDb.rows<Usage>(`SELECT day::VARCHAR AS value, ${figures} FROM ended GROUP BY day`)
    const known = new Map(days.map((day) => [day.value, day]))
    return daysOf(period).map((day) => known.get(day) ?? noUsage(day))
  }
  const rows = await duckDb.rows<Usage & { quartile: number }>(`
    SELECT value, ${figures}, ntile(4) OVER (ORDER BY count(*) DESC, value)::INTEGER AS quartile
    FROM (${sources[by]}) GROUP BY value ORDER BY count(*) DESC, value LIMIT ${limit}`)
  const keepsBytes = by === 'user' || by === 'model'
  return rows.map(({ quartile, storedBytes, ...row }) => ({
    ...row,
    storedBytes: keepsBytes ? storedBytes : null,
    ...(by === 'user' && { quartile }),
  }))
}

/** Every day of a period, the empty ones too. */
function daysOf({ from, to }: Period): string[] {
  const days: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += 86_400_000) {
    days.push(new Date(at).toISOString().slice(0, 10))
  }
  return days
}
