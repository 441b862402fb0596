import { linesPrinter } from './lines.ts'
import { ndjsonPrinter } from './ndjson.ts'
import type { Printer, PrinterOptions } from './printer.ts'
import { terminalPrinter } from './terminal.ts'

/** NDJSON where it is asked for, a progress bar where a person watches, plain lines elsewhere. */
export function choosePrinter(options: PrinterOptions & { json: boolean }): Printer {
  if (options.json) return ndjsonPrinter(options)
  return process.stdout.isTTY && process.stderr.isTTY ? terminalPrinter(options) : linesPrinter(options)
}
