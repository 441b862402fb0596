import { SingleBar } from 'cli-progress'

export interface Progress {
  add(count: number): void
  stop(): void
}

/** What all bars have in common. */
export const barStyle = {
  barCompleteChar: '█',
  barIncompleteChar: '░',
  barsize: 30,
  hideCursor: true,
  // Whoever shows a bar decides what Ctrl-C means; the bar must not end the process.
  gracefulExit: false,
  stream: process.stderr,
}

const linesEveryMs = 10_000

/** Progress on stderr: a bar on a terminal, now and then a line elsewhere, nothing when `silent`. */
export function progress(what: string, total: number, { silent = false } = {}): Progress {
  if (silent || total === 0) return { add: () => {}, stop: () => {} }
  if (process.stderr.isTTY) {
    const format = `{bar} {value}/{total} ${what}  ETA {eta_formatted}`
    const bar = new SingleBar({ ...barStyle, format, clearOnComplete: true })
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
