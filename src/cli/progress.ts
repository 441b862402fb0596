import { SingleBar } from 'cli-progress'

export interface Progress {
  add(count: number): void
  stop(): void
}

const linesEveryMs = 10_000

/** Progress on stderr: a bar on a terminal, now and then a line elsewhere, nothing when `silent`. */
export function progress(what: string, total: number, { silent = false } = {}): Progress {
  if (silent || total === 0) return { add: () => {}, stop: () => {} }
  if (process.stderr.isTTY) {
    const bar = new SingleBar({
      format: `{bar} {value}/{total} ${what}  ETA {eta_formatted}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
      hideCursor: true,
      gracefulExit: false,
      stream: process.stderr,
      clearOnComplete: true,
    })
    bar.start(total, 0)
    return { add: (count) => bar.increment(count), stop: () => bar.stop() }
  }
  let done = 0
  let toldAt = performance.now()
  return {
    add: (count) => {
      done += count
      if (performance.now() - toldAt < linesEveryMs) return
      toldAt = performance.now()
      process.stderr.write(`${done} of ${total} ${what}\n`)
    },
    stop: () => {},
  }
}
