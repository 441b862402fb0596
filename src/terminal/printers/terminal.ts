import { SingleBar } from 'cli-progress'
import pc from 'picocolors'
import { barStyle } from '../progress.ts'
import { failureLine, imageLine, modelText, needsLook, noticeText, startText, summaryText } from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** A progress bar on stderr with count, rate, time left and failures; the summary on stdout. */
export function terminalPrinter({ quiet, verbose }: PrinterOptions): Printer {
  const bar = new SingleBar({
    ...barStyle,
    format: `{bar} {value}/{total}  {rate}  ETA {eta_formatted}  {failed} failed`,
    emptyOnZero: true,
  })
  const startedAt = performance.now()
  let completed = 0
  let failed = 0
  let dryRun = false

  const above = (line: string) => {
    process.stderr.write(`\r\u001b[K${line}\n`)
  }
  return (event) => {
    switch (event.type) {
      case 'start':
        if (quiet) return
        process.stderr.write(startText(event, verbose))
        dryRun = event.dryRun
        if (!dryRun) bar.start(event.images, 0, { rate: '', failed })
        break
      case 'model':
        if (!quiet) above(modelText(event))
        break
      case 'image': {
        if (event.status === 'completed') completed++
        if (event.status === 'failed') failed++
        if (event.status === 'planned') process.stdout.write(`${imageLine(event, verbose)}\n`)
        else if (event.status === 'failed') above(pc.red(failureLine(event)))
        else if (verbose || needsLook(event)) above(imageLine(event, verbose))
        if (quiet || dryRun) return
        const perSecond = completed / ((performance.now() - startedAt) / 1000)
        bar.increment(1, { rate: `${perSecond.toFixed(1)} images/s`, failed })
        break
      }
      case 'notice':
        if (!quiet || event.important) above(pc.yellow(noticeText(event)))
        break
      case 'summary':
        if (!quiet && !dryRun) bar.stop()
        if (!quiet || event.failed > 0) process.stdout.write(summaryText(event))
        break
    }
  }
}
