import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

let known: string | undefined

/**
 * Names the processor by all that ONNX Runtime chooses its kernels by: what it can do, where the system tells, else its model.
 * A virtual machine may be moved to another processor, and a folder may be shared by machines of several kinds.
 */
export function processorOf(): string {
  known ??= `${process.platform}-${process.arch} ${linuxFeatures() ?? cpus()[0]?.model ?? 'unknown'}`
  return known
}

/** Of the first processor: x86 calls them flags, ARM features. */
function linuxFeatures(): string | undefined {
  try {
    const lines = readFileSync('/proc/cpuinfo', 'utf8').split('\n')
    const ofInterest = lines.filter((line) => /^(model name|CPU part|flags|Features)\s*:/.test(line))
    const first = new Map(ofInterest.reverse().map((line) => line.split(/\s*:\s*/, 2) as [string, string]))
    return first.size > 0 ? [...first.values()].reverse().join(' ') : undefined
  } catch {
    return undefined
  }
}
