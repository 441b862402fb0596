import { type Options, SingleBar } from 'cli-progress'
import { sizeText } from '../bytes.ts'

export interface Progress {
  add(count: number): void
  stop(): void
}

export interface ByteProgress {
  /** @param total bytes, where known */
  update(received: number, total: number | undefined): void
  stop(): void
}

/** What all bars have in common. */
const barStyle: Options = {
  barCompleteChar: '█',
  barIncompleteChar: '░',
  barsize: 30,
  hideCursor: true,
  // Whoever shows a bar decides what Ctrl-C means; the bar must not end the process.
  gracefulExit: false,
  // The bar is cut at the width. Without this, cli-progress cuts every other line too, as long as the bar is there.
  linewrap: true,
  // Lines above the bar are written in its place.
  forceRedraw: true,
  stream: process.stderr,
}

/**
 * A bar on stderr that leaves the lines of others alone: cli-progress 3.12 ends by going back to where the cursor was when
 * the bar began, and what is printed next would cover what was printed since (npkgz/cli-progress #142, #145).
 */
export function progressBar(options: Options): SingleBar {
  const bar = new SingleBar({ ...barStyle, ...options })
  const { terminal } = bar as unknown as { terminal: { cursorSave(): void; cursorRestore(): void } }
  terminal.cursorSave = () => {}
  terminal.cursorRestore = () => {}
  return bar
}

const linesEveryMs = 10_000

/** Progress on stderr: a bar on a terminal, now and then a line elsewhere, nothing when `silent`. */
export function progress(what: string, total: number, { silent = false } = {}): Progress {
  if (silent || total === 0) return { add: () => {}, stop: () => {} }
  if (process.stderr.isTTY) {
    const format = `{bar} {value}/{total} ${what}  ETA {eta_formatted}`
    const bar = progressBar({ format, clearOnComplete: true })
    bar.start(total, 0)
    return { add: (count) => bar.increment(count), stop: () => bar.stop() }
  }
  const tell = nowAndThen()
  let done = 0
  return {
    add: (count) => {
      done += count
      tell(() => `${done} of ${total} ${what}`)
    },
    stop: () => {},
  }
}

/** The same for bytes on their way, from the first that are told of. */
export function byteProgress(what: string): ByteProgress {
  if (!process.stderr.isTTY) {
    const tell = nowAndThen()
    return {
      update: (received, total) =>
        tell(() => `${what}: ${sizeText(received)} of ${sizeText(total) || 'unknown size'}`),
      stop: () => {},
    }
  }
  const format = `${what} {bar} {percentage}%  {got} of {all}  ETA {eta_formatted}`
  const bar = progressBar({ format })
  return {
    update: (received, total) => {
      const payload = { got: sizeText(received), all: sizeText(total) || '?' }
      if (bar.isActive) bar.update(received, payload)
      else bar.start(total ?? received, received, payload)
    },
    stop: () => bar.stop(),
  }
}

/** Prints a line to stderr when the last one is long enough ago. */
function nowAndThen(): (line: () => string) => void {
  let toldAt = performance.now()
  return (line) => {
    if (performance.now() - toldAt < linesEveryMs) return
    toldAt = performance.now()
    process.stderr.write(`${line()}\n`)
  }
}
