import pLimit from 'p-limit'

/** Tasks that run a bounded number at a time. After one has failed, no other is begun. */
export interface BoundedTasks {
  /**
   * Begins a task as soon as a slot is free. Waits while there is one more for each slot already, so that memory stays
   * flat however many there are.
   */
  add(task: () => Promise<void>): Promise<void>
  hasFailed(): boolean
  /** Resolves when nothing is in work any more. */
  settled(): Promise<void>
  /** Throws what failed first, if anything did. */
  throwFailure(): void
}

/** @param concurrency tasks in work at once */
export function boundedTasks(concurrency: number): BoundedTasks {
  const limit = pLimit(concurrency)
  const running = new Set<Promise<void>>()
  let failure: { reason: unknown } | undefined
  const run = async (task: () => Promise<void>) => {
    if (failure) return
    // Noted before the slot comes free, so that nothing is begun after it.
    await task().catch((reason) => {
      failure ??= { reason }
    })
  }
  return {
    add: async (task) => {
      const begun: Promise<void> = limit(run, task).finally(() => running.delete(begun))
      running.add(begun)
      if (running.size >= concurrency * 2) await Promise.race(running)
    },
    hasFailed: () => failure !== undefined,
    settled: async () => void (await Promise.all(running)),
    throwFailure: () => {
      if (failure) throw failure.reason
    },
  }
}
