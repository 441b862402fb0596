import type { BatchEvent, SummaryEvent } from '../../process/events.ts'
import { messageColors as colors } from '../colors.ts'
import { liveLine } from '../live-bar.ts'
import { above } from '../live-line.ts'
import { cutTo } from '../progress-line.ts'
import { wrapFor } from '../wrap.ts'
import {
  failureLine,
  imageLine,
  isToldQuietly,
  linesPrinter,
  modelText,
  needsReview,
  noticeText,
  pathsOf,
  summaryText,
} from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Images that the rate is taken from. */
const rateWindow = 60

/** A worker has no list to come to the end of: one live line says what it has done. Plain lines where nobody watches. */
export function workerPrinter(options: PrinterOptions): Printer {
  if (!process.stdout.isTTY || !process.stderr.isTTY) return plainPrinter(options)
  const { quiet, verbose } = options
  const figures = { completed: 0, skipped: 0, failed: 0, campaign: '' }
  let completedAt: number[] = []
  const line = liveLine((_, width) =>
    cutTo(
      width,
      [
        `${figures.completed} done`,
        figures.failed > 0 ? `${figures.failed} failed` : '',
        rateText(completedAt),
        figures.skipped > 0 ? `${figures.skipped} done before` : '',
        figures.campaign,
      ]
        .filter(Boolean)
        .join('  '),
    ),
  )
  const say = (text: string, event: BatchEvent) =>
    above(() => process.stderr.write(`${wrapFor(process.stderr, text, pathsOf(event))}\n`))
  const count = (event: Extract<BatchEvent, { type: 'image' }>) => {
    if (event.status !== 'planned') figures[event.status]++
    if (event.status === 'completed') completedAt = [...completedAt, performance.now()].slice(-rateWindow)
    if (event.status === 'failed') say(colors.red(failureLine(event)), event)
    else if (verbose || needsReview(event)) say(imageLine(event, { verbose, dryRun: false }), event)
  }
  return (event) => {
    if (quiet && !isToldQuietly(event)) return
    if (event.type === 'notice' && event.code === 'campaign') figures.campaign = event.campaign
    if (event.type === 'model') say(modelText(event), event)
    if (event.type === 'notice') say(colors.yellow(noticeText(event)), event)
    if (event.type === 'image') count(event)
    if (event.type === 'summary') {
      line.stop()
      return printSummary(event)
    }
    if (line.isActive) line.render()
    else line.start(1, 0)
  }
}

function plainPrinter(options: PrinterOptions): Printer {
  const print = linesPrinter(options)
  return (event) => {
    if (event.type !== 'summary') print(event)
    else if (!options.quiet || isToldQuietly(event)) printSummary(event)
  }
}

/** What a worker has done is a part of something: where all of it is, the campaign's settings say. */
function printSummary(event: SummaryEvent): void {
  process.stdout.write(wrapFor(process.stdout, summaryText(event, { place: '' }), pathsOf(event)))
}

function rateText(completedAt: readonly number[]): string {
  const [first = 0] = completedAt
  if (completedAt.length < 3) return ''
  const perSecond = (completedAt.length - 1) / (((completedAt.at(-1) ?? 0) - first) / 1000)
  return `${perSecond.toFixed(1)} images/s`
}
