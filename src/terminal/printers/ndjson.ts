import { printable } from '../printable.ts'
import { noticeText } from './lines.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Characters. */
const mostHeld = 2 ** 15

/** One JSON object per event on stdout; `--quiet` leaves failures and the summary. Phases are for people who wait. */
export function ndjsonPrinter({ quiet }: PrinterOptions): Printer {
  let held = ''
  const flush = () => {
    const lines = held
    held = ''
    if (lines !== '') process.stdout.write(lines)
  }
  return (event) => {
    if (event.type === 'phase') return
    if (event.type === 'notice' && event.important) process.stderr.write(`${noticeText(event)}\n`)
    if (quiet && event.type !== 'summary' && !(event.type === 'image' && event.status === 'failed')) return
    // Escaped as JSON escapes: the same text to a program, and no command to a terminal.
    const line = `${printable(JSON.stringify(event))}\n`
    // A second run tells of thousands at once. Whatever else is told, such as the summary in the end, takes them along.
    if (held === '') process.nextTick(flush)
    held += line
    const isSkipped = event.type === 'image' && event.status === 'skipped'
    if (!isSkipped || held.length > mostHeld) flush()
  }
}
