import pc from 'picocolors'
import type { ImageEvent } from '../../process/events.ts'
import { progressBar } from '../progress.ts'
import {
  failureLine,
  imageLine,
  keptLines,
  type LineOptions,
  modelText,
  needsReview,
  noticeText,
  startText,
  summaryText,
} from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** A progress bar on stderr with count, rate, time left and failures; the summary on stdout. */
export function terminalPrinter({ quiet, verbose }: PrinterOptions): Printer {
  const bar = imageBar()
  let dryRun = false
  return (event) => {
    switch (event.type) {
      case 'start':
        dryRun = event.dryRun
        if (quiet) return
        process.stderr.write(startText(event, verbose))
        if (!event.dryRun) bar.start(event.images)
        break
      case 'model':
        if (!quiet) above(modelText(event))
        break
      case 'image':
        printImage(event, { quiet, verbose, dryRun })
        bar.count(event)
        break
      case 'notice':
        if (!quiet || event.important) above(pc.yellow(noticeText(event)))
        break
      case 'summary':
        bar.stop()
        if (!quiet || event.failed > 0) process.stdout.write(summaryText(event))
        break
    }
  }
}

function printImage(event: ImageEvent, options: PrinterOptions & LineOptions): void {
  if (isPlan(event, options.dryRun)) process.stdout.write(`${imageLine(event, options)}\n`)
  else if (event.status === 'failed') above(pc.red(failureLine(event)))
  else if (options.verbose || needsReview(event)) above(imageLine(event, options))
  if (!options.quiet) for (const line of keptLines(event, options.dryRun)) printKept(line, options.dryRun)
}

/** What a dry run is asked for: what would be made, or restored. */
const isPlan = (event: ImageEvent, dryRun: boolean): boolean =>
  event.status === 'planned' || (dryRun && event.status === 'skipped' && event.output?.state === 'restored')

function printKept(line: string, dryRun: boolean): void {
  if (dryRun) process.stdout.write(`${line}\n`)
  else above(pc.yellow(line))
}

/** A line that stays, in the place of the bar, which is drawn again below it. */
function above(line: string): void {
  process.stderr.write(`\r\u001b[K${line}\n`)
}

/** The bar and its counters. Until it is started it draws nothing. */
function imageBar() {
  const bar = progressBar({
    format: `{bar} {value}/{total}  {rate}  ETA {eta_formatted}  {failed} failed`,
    emptyOnZero: true,
  })
  const startedAt = performance.now()
  let isDrawn = false
  let completed = 0
  let failed = 0
  return {
    start(images: number): void {
      isDrawn = true
      bar.start(images, 0, { rate: '', failed })
    },
    count({ status }: ImageEvent): void {
      if (status === 'completed') completed++
      if (status === 'failed') failed++
      if (!isDrawn) return
      const perSecond = completed / ((performance.now() - startedAt) / 1000)
      bar.increment(1, { rate: `${perSecond.toFixed(1)} images/s`, failed })
    },
    stop(): void {
      if (isDrawn) bar.stop()
    },
  }
}
