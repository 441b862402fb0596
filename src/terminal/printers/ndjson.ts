import { printable } from '../printable.ts'
import { noticeText } from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** One JSON object per event on stdout; `--quiet` leaves failures and the summary. Phases are for people who wait. */
export function ndjsonPrinter({ quiet }: PrinterOptions): Printer {
  return (event) => {
    if (event.type === 'phase') return
    if (event.type === 'notice' && event.important) process.stderr.write(`${noticeText(event)}\n`)
    if (quiet && event.type !== 'summary' && !(event.type === 'image' && event.status === 'failed')) return
    // Escaped as JSON escapes: the same text to a program, and no command to a terminal.
    process.stdout.write(`${printable(JSON.stringify(event))}\n`)
  }
}
