/** Loaded into a measured process (`--import`): what it used in all its threads, written as it ends. */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const { RMBG_BENCH_USAGE: file } = process.env
if (isMainThread && file) {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    const used = { cpuMs: (userCPUTime + systemCPUTime) / 1000, peakRssMb: maxRSS / 1024 }
    writeFileSync(file, JSON.stringify(used))
  })
}
