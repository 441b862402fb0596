import { imageLine, keptLines, noticeText } from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Everything on stderr: standard output carries a picture. */
export function pipedPrinter({ quiet, verbose }: PrinterOptions): Printer {
  const say = (line: string) => process.stderr.write(`${line}\n`)
  let dryRun = false
  return (event) => {
    if (event.type === 'start') dryRun = event.dryRun
    if (event.type === 'notice' && (!quiet || event.important)) say(noticeText(event))
    if (event.type !== 'image' || (quiet && event.status !== 'failed')) return
    say(imageLine(event, { verbose, dryRun }))
    for (const line of keptLines(event, dryRun)) say(line)
  }
}
