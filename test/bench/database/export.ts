/** The log as Parquet: how fast, how large, and how much memory it takes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectServer } from '../../../src/database/connect.ts'
import { dimensions } from '../../../src/database/usage.ts'
import { exportLog } from '../../../src/jobs/lake/export.ts'
import { withExport } from '../../../src/jobs/lake/statistics.ts'
import { directoryStore } from '../../../src/store/directory.ts'

export interface ExportCost {
  rows: number
  rowsPerSecond: number
  bytesPerRow: number
  /** Of this process, in user and kernel mode. */
  cpuUsPerRow: number
  peakMegabytes: number
  /** A second export of a log that has not changed. */
  unchangedMs: number
  /** Statistics of a year from the files, by each dimension. */
  statisticsMs: Record<string, number>
}

/** @param url of a database that `fill` has filled */
export async function measureExport(url: string): Promise<ExportCost> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-bench-'))
  const database = connectServer(url)
  const place = { store: directoryStore(folder), location: folder }
  const { signal } = new AbortController()
  let peak = 0
  const watching = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 50)
  try {
    const before = process.cpuUsage()
    const startedAt = performance.now()
    const { rows, bytes } = await exportLog(database, place, { signal })
    const seconds = (performance.now() - startedAt) / 1000
    const { user, system } = process.cpuUsage(before)
    const again = performance.now()
    await exportLog(database, place, { signal })
    const unchangedMs = performance.now() - again
    const statisticsMs: Record<string, number> = {}
    await withExport(place, async ({ statistics }) => {
      for (const by of dimensions) {
        const askedAt = performance.now()
        await statistics({ by, since: { ago: '365 days' }, until: undefined, limit: 50 })
        statisticsMs[by] = performance.now() - askedAt
      }
    })
    return {
      ...{ rows, rowsPerSecond: rows / seconds, bytesPerRow: bytes / rows, unchangedMs, statisticsMs },
      ...{ cpuUsPerRow: (user + system) / rows, peakMegabytes: peak / 1e6 },
    }
  } finally {
    clearInterval(watching)
    await database.close()
    await rm(folder, { recursive: true })
  }
}
