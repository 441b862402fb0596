import type { BatchEvent } from '../../process/events.ts'
import { wrapFor } from '../wrap.ts'
import { imageLine, keptLines, noticeText, pathsOf } from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Everything on stderr: standard output carries a picture. */
export function pipedPrinter({ quiet, verbose }: PrinterOptions): Printer {
  const say = (line: string, event: BatchEvent) =>
    process.stderr.write(`${wrapFor(process.stderr, line, pathsOf(event))}\n`)
  let dryRun = false
  return (event) => {
    if (event.type === 'start') dryRun = event.dryRun
    if (event.type === 'notice' && (!quiet || event.important)) say(noticeText(event), event)
    if (event.type !== 'image' || (quiet && event.status !== 'failed')) return
    say(imageLine(event, { verbose, dryRun, isPiped: true }), event)
    for (const line of keptLines(event, dryRun)) say(line, event)
  }
}
