import { sizeText } from '../bytes.ts'
import { liveLine } from './live-bar.ts'
import { cutTo, etaText, progressLine } from './progress-line.ts'

export interface Progress {
  add(count: number): void
  stop(): void
}

export interface ByteProgress {
  /** @param total bytes, where known */
  update(received: number, total: number | undefined): void
  stop(): void
}

const linesEveryMs = 10_000

/** Progress on stderr: a bar on a terminal, now and then a line elsewhere, nothing when `silent`. */
export function progress(what: string, total: number, { silent = false } = {}): Progress {
  if (silent || total === 0) return { add: () => {}, stop: () => {} }
  if (process.stderr.isTTY) {
    const bar = liveLine(({ progress, value, total, eta }, width) =>
      progressLine(
        [
          { text: `${value}/${total} ${what}`, rank: 1 },
          { text: etaText(eta), rank: 2 },
        ],
        { width, progress },
      ),
    )
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

/** The same where nobody knows how many there will be. */
export function running(what: string): Progress {
  let done = 0
  if (!process.stderr.isTTY) {
    const tell = nowAndThen()
    const add = (count: number) => {
      done += count
      tell(() => `${done} ${what}`)
    }
    return { add, stop: () => {} }
  }
  const startedAt = performance.now()
  const line = liveLine((_, width) => {
    const perSecond = Math.round(done / ((performance.now() - startedAt) / 1000))
    return cutTo(width, `${done} ${what}  ${perSecond}/s`)
  })
  return {
    add: (count) => {
      done += count
      if (line.isActive) line.render()
      else line.start(1, 0)
    },
    stop: () => line.stop(),
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
  let all: number | undefined
  const bar = liveLine(({ progress, value, eta }, width) =>
    progressLine(
      [
        { text: all === undefined ? '' : `${Math.floor(progress * 100)}%`, rank: 1 },
        { text: what, rank: 4 },
        { text: `${sizeText(value)} of ${sizeText(all) || '?'}`, rank: 2 },
        { text: all === undefined ? '' : etaText(eta), rank: 3 },
      ],
      { width, progress: all === undefined ? 0 : progress },
    ),
  )
  return {
    update: (received, total) => {
      all = total
      if (bar.isActive) bar.update(received)
      else bar.start(total ?? received, received)
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
