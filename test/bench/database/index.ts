/** `npm run bench:database -- fill|queries|cost|prune|partition|backup|export`: see test/bench/README.md. */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connectServer, ensureDatabase } from '../../../src/database/connect.ts'
import { table } from '../../../src/terminal/table.ts'
import { timeBackup } from './backup.ts'
import { measureCost } from './cost.ts'
import { measureExport } from './export.ts'
import { fill } from './fill.ts'
import { timePartition } from './partition.ts'
import { timePrune } from './prune.ts'
import { timeQueries } from './queries.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '10000000' },
    prune: { type: 'string', default: '1000000' },
    jobs: { type: 'string', default: '20000' },
    'at-once': { type: 'string', default: '10' },
    database: { type: 'string', default: 'rmbg_bench' },
    'no-restore': { type: 'boolean', default: false },
  },
})
const server = process.env.RMBG_BENCH_DATABASE_URL ?? process.env.RMBG_TEST_DATABASE_URL
if (!server)
  throw new Error('Set RMBG_BENCH_DATABASE_URL to a PostgreSQL server where databases may be made.')
const [what = ''] = positionals
const url = await ensureDatabase(server, values.database)
const one = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0))

switch (what) {
  case 'fill': {
    const startedAt = performance.now()
    await fill(url, Number(values.rows), (done) =>
      console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(5)} s  ${done}`),
    )
    break
  }
  case 'queries': {
    const database = connectServer(url, { maxConnections: 1 })
    const rows = await timeQueries(database.sql)
    await database.close()
    console.log(
      table(
        ['QUERY', 'P50 MS', 'P95 MS', 'BUFFERS', 'PLAN'],
        rows.map(({ query, p50Ms, p95Ms, buffers, plan }) => [query, one(p50Ms), one(p95Ms), buffers, plan]),
      ),
    )
    await keep('database-queries', rows)
    break
  }
  case 'cost': {
    const jobs = Number(values.jobs)
    const result = await measureCost(url, { jobs, atOnce: Number(values['at-once']) })
    const { roundTrips, jobsPerSecond, walPages, cpuMs } = result
    console.log(
      table(
        ['WAL BYTES', 'WHOLE PAGES', 'SERVER MS', 'ROUND TRIPS', 'JOBS/S', 'STORED', 'GROWN'],
        [
          [
            ...[result.walBytes.toFixed(0), walPages?.toFixed(2), cpuMs?.toFixed(2), roundTrips.toFixed(2)],
            ...[jobsPerSecond.toFixed(0), result.storedBytes.toFixed(0), result.grownBytes.toFixed(0)],
          ],
        ],
      ),
    )
    await keep(`database-cost-${values.rows}`, result)
    break
  }
  case 'prune': {
    const result = await timePrune(url, Number(values.prune))
    console.log(`${result.pruned} jobs pruned in ${result.pruneSeconds.toFixed(0)} s`)
    console.log(
      table(
        ['WRITER', 'JOBS', 'P50 MS', 'P99 MS', 'MAX MS'],
        result.writer.map(({ phase, jobsWritten, p50Ms, p99Ms, maxMs }) => [
          ...[phase, jobsWritten],
          ...[one(p50Ms), one(p99Ms), one(maxMs)],
        ]),
      ),
    )
    await keep('database-prune', result)
    break
  }
  case 'partition': {
    const steps = await timePartition(url, Number(values.rows), (what) => console.error(what))
    console.log(
      table(
        ['STEP', 'MS'],
        steps.map(({ step, ms }) => [step, one(ms)]),
      ),
    )
    await keep('database-partition', steps)
    break
  }
  case 'backup': {
    const rows = await timeBackup(url, { restore: !values['no-restore'] })
    console.log(
      table(
        ['WHAT', 'SECONDS', 'MB'],
        rows.map(({ what: step, seconds, bytes }) => [step, one(seconds), bytes && Math.round(bytes / 1e6)]),
      ),
    )
    await keep('database-backup', rows)
    break
  }
  case 'export': {
    const result = await measureExport(url)
    const { statisticsMs, ...cost } = result
    console.log(
      table(
        ['JOBS', 'JOBS/S', 'BYTES A JOB', 'CPU US A JOB', 'PEAK MB', 'UNCHANGED MS'],
        [
          [
            ...[cost.rows, cost.rowsPerSecond.toFixed(0), one(cost.bytesPerRow), one(cost.cpuUsPerRow)],
            ...[cost.peakMegabytes.toFixed(0), cost.unchangedMs.toFixed(0)],
          ],
        ],
      ),
    )
    console.log(
      table(
        ['STATS --FROM, BY', 'MS'],
        Object.entries(statisticsMs).map(([by, ms]) => [by, one(ms)]),
      ),
    )
    await keep('database-export', result)
    break
  }
  default:
    throw new Error(`"${what}" is not fill, queries, cost, prune, partition, backup or export.`)
}

/** What was measured, with where, for whoever wants to compare. */
async function keep(name: string, result: unknown): Promise<void> {
  const folder = fileURLToPath(new URL('../results/', import.meta.url))
  await mkdir(folder, { recursive: true })
  const where = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cores: availableParallelism(),
  }
  await writeFile(`${folder}${name}.json`, `${JSON.stringify({ ...where, result }, null, 2)}\n`)
}
