/** The log as Parquet, month by month. Read it from the top. */
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from '../../database/contract.ts'
import { exportedRows, type LogMonth, logMonths } from '../../database/export-rows.ts'
import { installationOf } from '../../database/installation.ts'
import type { Instant } from '../../database/sql-time.ts'
import { assertOwner, type OwnershipOptions } from '../../store/owner.ts'
import { sha256Of, sha256OfFile } from '../../system/sha256.ts'
import { parquetColumns, selectFromCsv, writeParquet } from './columns.ts'
import { type DuckDb, literal, openDuckDb } from './duckdb.ts'
import { fetchTo } from './fetch.ts'
import {
  type ExportedMonth,
  type ExportManifest,
  type ExportPlace,
  monthKey,
  presentMonths,
  readManifest,
  writeManifest,
} from './manifest.ts'
import { throughPipe } from './pipe.ts'
import { inWorkFolder } from './work-folder.ts'

export interface ExportOptions {
  /** Every month that the period touches is exported whole. */
  since?: Instant | undefined
  until?: Instant | undefined
  /** What to do about a place that is another database's. */
  takeOver?: OwnershipOptions['takeOver'] | undefined
  signal: AbortSignal
  /** Told of each month before it is read, and of each that is done. */
  onMonth?: (month: string, done: MonthResult | undefined) => void
}

export interface MonthResult extends Pick<ExportedMonth, 'month' | 'rows' | 'bytes' | 'pruned'> {
  /** `unchanged`: its file was left as it is. */
  state: 'written' | 'unchanged'
}

export interface ExportResult {
  location: string
  /** Of the period, oldest first; months that nothing is left of and nothing was exported of are not among them. */
  months: MonthResult[]
  /** Of the months of the period together. */
  rows: number
  bytes: number
}

/**
 * Brings an export up to date: writes the months whose statistics have changed since, and leaves the others. A month
 * never loses a job by that: what its file has and the log has no longer stays. Each month is put in place whole, and
 * the manifest follows it, so the next export goes on where this one was stopped.
 *
 * @throws RmbgError REFUSED where something that is not ours is in the place, CONFIG_INVALID without DuckDB; of families
 *   `database` and `store`
 */
export async function exportLog(
  database: Database,
  place: ExportPlace,
  { since, until, takeOver, signal, onMonth = () => {} }: ExportOptions,
): Promise<ExportResult> {
  return inWorkFolder(async (folder) => {
    const duckDb = await openDuckDb(folder)
    try {
      const known = await readManifest(place)
      const present = await presentMonths(place, { isExport: known !== undefined }, signal)
      await assertOwner(place.store, await installationOf(database), {
        claims: true,
        ...(takeOver && { takeOver }),
      })
      // From here on, what an interrupted export leaves is known to be ours.
      let manifest: ExportManifest = known ?? { columns: parquetColumns, months: [] }
      if (!known) await writeManifest(place, manifest)
      const results: MonthResult[] = []
      for (const month of await logMonths(database.sql, { since, until })) {
        signal.throwIfAborted()
        const earlier = manifest.months.find((each) => each.month === month.month)
        if (earlier?.state === stateOf(month) && earlier.bytes === present.get(month.month)) {
          results.push({ ...figuresOf(earlier), state: 'unchanged' })
          continue
        }
        onMonth(month.month, undefined)
        const written = await exportMonth(
          { database, place, duckDb, folder, signal },
          month,
          present.has(month.month),
        )
        if (!written) continue
        manifest = withMonth(manifest, written)
        await writeManifest(place, manifest)
        const result: MonthResult = { ...figuresOf(written), state: 'written' }
        results.push(result)
        onMonth(month.month, result)
      }
      const sum = (of: (month: MonthResult) => number) => results.reduce((all, each) => all + of(each), 0)
      return {
        location: place.location,
        months: results,
        rows: sum(({ rows }) => rows),
        bytes: sum(({ bytes }) => bytes),
      }
    } finally {
      duckDb.close()
    }
  })
}

const figuresOf = ({ month, rows, bytes, pruned }: ExportedMonth) => ({ month, rows, bytes, pruned })

/** Files of a release with other columns are written anew, too. */
const stateOf = ({ state }: LogMonth): string => `${sha256Of(parquetColumns.join()).slice(0, 8)} ${state}`

const withMonth = ({ months }: ExportManifest, written: ExportedMonth): ExportManifest => ({
  columns: parquetColumns,
  months: [...months.filter(({ month }) => month !== written.month), written].sort((a, b) =>
    a.month < b.month ? -1 : 1,
  ),
})

interface MonthServices {
  database: Database
  place: ExportPlace
  duckDb: DuckDb
  folder: string
  signal: AbortSignal
}

/** @returns undefined for a month of which nothing is left, and nothing was exported */
async function exportMonth(
  { database, place, duckDb, folder, signal }: MonthServices,
  logMonth: LogMonth,
  isPresent: boolean,
): Promise<ExportedMonth | undefined> {
  const { month } = logMonth
  const paths = {
    pipe: join(folder, 'rows'),
    fresh: join(folder, 'fresh.parquet'),
    earlier: join(folder, 'earlier.parquet'),
    whole: join(folder, 'whole.parquet'),
  }
  try {
    let rows = await throughPipe(paths.pipe, stoppable(exportedRows(database.sql, month), signal), (pipe) =>
      duckDb.run(writeParquet(selectFromCsv(pipe), paths.fresh)),
    )
    let file = paths.fresh
    let pruned = 0
    if (isPresent) {
      await fetchTo(place, monthKey(month), paths.earlier)
      pruned = await countGone(duckDb, paths)
      if (pruned > 0) {
        file = paths.whole
        rows = await duckDb.run(
          writeParquet(`${selectAll(paths.fresh)} UNION ALL BY NAME ${gone(paths)}`, file),
        )
      }
    }
    if (rows === 0) return undefined
    const sha256 = await sha256OfFile(file)
    const { size } = await stat(file)
    await place.store.put(monthKey(month), createReadStream(file), {
      contentType: 'application/vnd.apache.parquet',
      sha256,
      signal,
    })
    return {
      month,
      rows,
      bytes: size,
      sha256,
      pruned,
      state: stateOf(logMonth),
      exportedAt: new Date().toISOString(),
    }
  } finally {
    for (const path of Object.values(paths)) await rm(path, { force: true })
  }
}

async function* stoppable<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  for await (const item of items) {
    signal.throwIfAborted()
    yield item
  }
}

interface MonthFiles {
  fresh: string
  earlier: string
}

const selectAll = (path: string): string =>
  `SELECT * FROM read_parquet(${literal(path)}, hive_partitioning = false)`

/** Jobs of the earlier file that are in the log no longer. */
const gone = ({ fresh, earlier }: MonthFiles): string =>
  `${selectAll(earlier)} e WHERE NOT EXISTS (FROM read_parquet(${literal(fresh)}, hive_partitioning = false) f WHERE f.job_id = e.job_id)`

async function countGone(duckDb: DuckDb, files: MonthFiles): Promise<number> {
  const [row] = await duckDb.rows<{ count: number }>(`SELECT count(*)::DOUBLE AS count FROM (${gone(files)})`)
  return row?.count ?? 0
}
