import type { BatchEvent, ImageEvent, StartEvent, SummaryEvent } from '../../process/events.ts'
import { messageColors as colors } from '../colors.ts'
import { above } from '../live-line.ts'
import { wrapFor } from '../wrap.ts'
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
  pathsOf,
  startText,
  summaryText,
} from './lines.ts'
import { type PlaceOfCutouts, placeOfCutouts } from './place.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Failures named again at the end: what comes after them must stay on the screen. */
const failuresNamed = 10

/** A progress bar on stderr with count, rate, time left and failures; the summary on stdout. */
export function terminalPrinter({ quiet, verbose }: PrinterOptions): Printer {
  const bar = imageBar()
  let dryRun = false
  const place = placeOfCutouts()
  let leftOut = 0
  const onStart = (event: StartEvent) => {
    if (dryRun) bar.stop()
    say(startText(event, { verbose, leftOut }), event)
    if (!dryRun) bar.start(event.images)
  }
  const onImage = (event: ImageEvent) => {
    bar.count(event)
    printImage(event, { verbose, dryRun })
  }
  return (event) => {
    place.note(event)
    if (event.type === 'start') dryRun = event.dryRun
    if (event.type === 'notice' && event.code === 'kinds-left-out') leftOut += event.files
    if (quiet && !isToldQuietly(event)) return
    switch (event.type) {
      case 'phase':
        if (event.phase === 'new-database') say(event.message, event)
        return bar.wait(event.message)
      case 'start':
        return onStart(event)
      case 'listing':
        return dryRun ? undefined : bar.find(event.images)
      case 'model':
        bar.go()
        return say(modelText(event), event)
      case 'image':
        return onImage(event)
      case 'notice':
        return say(colors.yellow(noticeText(event)), event)
      case 'summary':
        bar.stop()
        printSummary(event, place)
    }
  }
}

function printSummary(event: SummaryEvent, place: PlaceOfCutouts): void {
  const paths = [...pathsOf(event), place.shown(event) ?? '']
  const text = summaryText(event, { place: place.text(event), failuresNamed })
  process.stdout.write(wrapFor(process.stdout, text, paths))
}

function printImage(event: ImageEvent, options: LineOptions): void {
  if (isPlan(event, options.dryRun)) process.stdout.write(`${imageLine(event, options)}\n`)
  else if (event.status === 'failed') say(colors.red(failureLine(event)), event)
  else if (options.verbose || needsReview(event)) say(imageLine(event, options), event)
  for (const line of keptLines(event, options.dryRun)) printKept(line, event, options.dryRun)
}

/** What a dry run is asked for: what would be made, or restored. */
const isPlan = (event: ImageEvent, dryRun: boolean): boolean =>
  event.status === 'planned' || (dryRun && event.status === 'skipped' && event.output?.state === 'restored')

function printKept(line: string, event: ImageEvent, dryRun: boolean): void {
  if (dryRun) process.stdout.write(`${line}\n`)
  else say(colors.yellow(line), event)
}

/** A line that stays, in the place of the bar, which is drawn again below it. */
const say = (line: string, event: BatchEvent): void =>
  above(() => process.stderr.write(`${wrapFor(process.stderr, line, pathsOf(event))}\n`))
