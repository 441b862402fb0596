/** Loaded into a measured process (`--import`): its id, and what it used in all its threads, written as it ends. */
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const { RMBG_BENCH_USAGE: file, RMBG_BENCH_PID: pidFile } = process.env
if (isMainThread && file) {
  writeFileSync(pidFile, String(process.pid))
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    const cpuMs = (userCPUTime + systemCPUTime) / 1000
    writeFileSync(file, JSON.stringify({ cpuMs, peakRssMb: (peakKb() ?? maxRSS) / 1024 }))
  })
}

/** Linux: the peak of this program alone; `maxRSS` may be that of whoever started it. */
function peakKb() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  } catch {
    return undefined
  }
}
