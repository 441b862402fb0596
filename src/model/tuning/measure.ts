/**
 * A program of its own (`tune.ts` starts it): opens a model in one way, runs it on a rendered picture, and sends what that took.
 * A process of its own, because the peak of memory is one of the whole process, and what one way leaves behind another would reuse.
 */
import { readFileSync } from 'node:fs'
import type { ModelSpec } from '../contract.ts'
import { openModel } from '../session.ts'
import { renderTrialPicture } from '../trial-pictures.ts'
import type { SessionTuning } from './options.ts'

export interface Measure {
  spec: ModelSpec
  tuning: SessionTuning
  modelsFolder: string
  /** Only opens the model, so that its graph is prepared before anything is measured. */
  onlyPrepare?: boolean
}

export interface Measured {
  /** CPU seconds, of the model's file or prepared graph. */
  loadCpuSeconds: number
  /** Of one inference: the least by the clock, which other work disturbs least, and the mean of the CPU time of all threads. */
  milliseconds: number
  cpuMilliseconds: number
  /** Of the whole process, in MiB, a bare Node among it. */
  peakMb: number
  /** 0..255, of the rendered picture. */
  mask: Uint8Array
}

const fewestRuns = 3
const mostRuns = 50
/** Small models run often enough for a figure, large ones as often as they must. */
const leastMs = 1500

process.once('message', async (wanted: Measure) => {
  // Whoever asked prints what went wrong.
  process.send?.(await measure(wanted).catch((error: Error) => ({ problem: error.message })), () =>
    process.disconnect(),
  )
})

async function measure({ spec, tuning, modelsFolder, onlyPrepare }: Measure): Promise<Measured | undefined> {
  const before = process.cpuUsage()
  const model = await openModel(spec, { device: 'cpu', tuning, modelsFolder })
  const loadCpuSeconds = cpuMsSince(before) / 1000
  if (onlyPrepare) {
    await model.close()
    return undefined
  }
  const { rgb } = renderTrialPicture('portrait', model.inputSize)
  // The first run takes memory from the system that later ones reuse.
  const { alpha } = await model.predict(rgb.slice())
  const spent: number[] = []
  const started = process.cpuUsage()
  for (let total = 0; spent.length < fewestRuns || (total < leastMs && spent.length < mostRuns); ) {
    const { inferenceMs = Number.NaN } = await model.predict(rgb.slice())
    spent.push(inferenceMs)
    total += inferenceMs
  }
  const cpuMilliseconds = cpuMsSince(started) / spent.length
  await model.close()
  return {
    loadCpuSeconds,
    milliseconds: Math.min(...spent),
    cpuMilliseconds,
    peakMb: peakMb(),
    mask: Uint8Array.from(alpha, (value) => Math.round(value * 255)),
  }
}

function cpuMsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

/** On Linux `maxRSS` may be that of the process that started this one. */
function peakMb(): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024
  } catch {
    return process.resourceUsage().maxRSS / 1024
  }
}
