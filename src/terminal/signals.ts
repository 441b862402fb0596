import { exitStatus } from './exit.ts'
import { leaveLiveLines } from './live-line.ts'

export interface StopSignals {
  /** Aborted by the first Ctrl-C or SIGTERM: take no new work, finish what is in flight. */
  signal: AbortSignal
  /** Exit status that tells which signal it was. */
  status(): number
  release(): void
}

/** The first signal asks for an orderly stop, the second ends the process at once. */
export function onStopSignals(tell: (message: string) => void, whatHappens: string): StopSignals {
  const controller = new AbortController()
  let status: number = exitStatus.interrupted
  const stop = (name: NodeJS.Signals) => {
    status = name === 'SIGTERM' ? exitStatus.terminated : exitStatus.interrupted
    if (controller.signal.aborted) {
      // Not process.exit: that aborts with a core dump while a thread is in native code.
      release()
      leaveLiveLines()
      process.kill(process.pid, name)
    }
    tell(`Stopping: ${whatHappens}. Press Ctrl-C again to leave at once; nothing is lost either way.`)
    controller.abort()
  }
  const release = () => void process.off('SIGINT', stop).off('SIGTERM', stop)
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return { signal: controller.signal, status: () => status, release }
}
