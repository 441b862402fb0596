import { SingleBar } from 'cli-progress'
import pc from 'picocolors'
import type { ImageEvent, StartEvent } from '../../process/events.ts'
import { barStyle } from '../progress.ts'
import { failureLine, imageLine, modelText, needsLook, noticeText, startText, summaryText } from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** A progress bar on stderr with count, rate, time left and failures; the summary on stdout. */
export function terminalPrinter({ quiet, verbose }: PrinterOptions): Printer {
  return quiet ? quietPrinter(verbose) : barPrinter(verbose)
}

function barPrinter(verbose: boolean): Printer {
  const bar = progressBar()
  let hasBar = false
  return (event) => {
    switch (event.type) {
      case 'start':
        process.stderr.write(startText(event, verbose))
        hasBar = !event.dryRun
        if (hasBar) bar.start(event)
        break
      case 'model':
        above(modelText(event))
        break
      case 'image':
        printImage(event, verbose)
        if (hasBar) bar.count(event)
        break
      case 'notice':
        above(pc.yellow(noticeText(event)))
        break
      case 'summary':
        if (hasBar) bar.stop()
        process.stdout.write(summaryText(event))
        break
    }
  }
}

function quietPrinter(verbose: boolean): Printer {
  return (event) => {
    if (event.type === 'image') printImage(event, verbose)
    else if (event.type === 'notice' && event.important) above(pc.yellow(noticeText(event)))
    else if (event.type === 'summary' && event.failed > 0) process.stdout.write(summaryText(event))
  }
}

/** Images done, their rate, and how many failed. */
function progressBar() {
  const bar = new SingleBar({
    ...barStyle,
    format: `{bar} {value}/{total}  {rate}  ETA {eta_formatted}  {failed} failed`,
    emptyOnZero: true,
  })
  const startedAt = performance.now()
  let completed = 0
  let failed = 0
  return {
    start: ({ images }: StartEvent) => bar.start(images, 0, { rate: '', failed }),
    count: ({ status }: ImageEvent) => {
      if (status === 'completed') completed++
      if (status === 'failed') failed++
      const perSecond = completed / ((performance.now() - startedAt) / 1000)
      bar.increment(1, { rate: `${perSecond.toFixed(1)} images/s`, failed })
    },
    stop: () => bar.stop(),
  }
}

function printImage(event: ImageEvent, verbose: boolean): void {
  if (event.status === 'planned') process.stdout.write(`${imageLine(event, verbose)}\n`)
  else if (event.status === 'failed') above(pc.red(failureLine(event)))
  else if (verbose || needsLook(event)) above(imageLine(event, verbose))
}

/** Writes a line over the bar, which draws itself again below. */
function above(line: string): void {
  process.stderr.write(`\r\u001b[K${line}\n`)
}
