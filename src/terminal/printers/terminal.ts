import pc from 'picocolors'
import type { ImageEvent, StartEvent } from '../../process/events.ts'
import { above } from '../live-line.ts'
import { imageBar } from './image-bar.ts'
import {
  failureLine,
  imageLine,
  isToldQuietly,
  keptLines,
  type LineOptions,
  modelText,
  needsReview,
  noticeText,
  type Place,
  startText,
  summaryText,
} from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Failures named again at the end: what comes after them must stay on the screen. */
const failuresNamed = 10

/** A progress bar on stderr with count, rate, time left and failures; the summary on stdout. */
export function terminalPrinter({ quiet, verbose }: PrinterOptions): Printer {
  const bar = imageBar()
  let dryRun = false
  let place: Place = {}
  let leftOut = 0
  const onStart = (event: StartEvent) => {
    if (dryRun) bar.stop()
    say(startText(event, { verbose, leftOut }))
    if (!dryRun) bar.start(event.images)
  }
  const onImage = (event: ImageEvent) => {
    bar.count(event)
    printImage(event, { verbose, dryRun })
  }
  return (event) => {
    if (event.type === 'start') [dryRun, place] = [event.dryRun, event]
    if (event.type === 'notice' && event.code === 'kinds-left-out') leftOut += event.files
    if (quiet && !isToldQuietly(event)) return
    switch (event.type) {
      case 'phase':
        if (event.phase === 'new-database') say(event.message)
        return bar.wait(event.message)
      case 'start':
        return onStart(event)
      case 'model':
        bar.go()
        return say(modelText(event))
      case 'image':
        return onImage(event)
      case 'notice':
        return say(pc.yellow(noticeText(event)))
      case 'summary':
        bar.stop()
        process.stdout.write(summaryText(event, { place, failuresNamed }))
    }
  }
}

function printImage(event: ImageEvent, options: LineOptions): void {
  if (isPlan(event, options.dryRun)) process.stdout.write(`${imageLine(event, options)}\n`)
  else if (event.status === 'failed') say(pc.red(failureLine(event)))
  else if (options.verbose || needsReview(event)) say(imageLine(event, options))
  for (const line of keptLines(event, options.dryRun)) printKept(line, options.dryRun)
}

/** What a dry run is asked for: what would be made, or restored. */
const isPlan = (event: ImageEvent, dryRun: boolean): boolean =>
  event.status === 'planned' || (dryRun && event.status === 'skipped' && event.output?.state === 'restored')

function printKept(line: string, dryRun: boolean): void {
  if (dryRun) process.stdout.write(`${line}\n`)
  else say(pc.yellow(line))
}

/** A line that stays, in the place of the bar, which is drawn again below it. */
const say = (line: string): void => above(() => process.stderr.write(`${line}\n`))
