import type { NoticeEvent } from '../../process/events.ts'
import { errorEventText } from '../end.ts'
import { describeError } from '../error-text.ts'
import { linesPrinter } from './lines.ts'
import { openLogFile } from './log-file.ts'
import { ndjsonPrinter } from './ndjson.ts'
import { pipedPrinter } from './piped.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** Everybody who listens to a run: one printer, and the log file where one is named. */
export interface Listeners {
  tell: Printer
  /** A person knows already what a notice says: from now on only the log gets it. */
  isKnown(code: NoticeEvent['code']): void
  /** An error ended the run. A person is told of it by the command; programs and the log get an event. */
  fail(error: unknown): void
}

/**
 * @param own of a command that has its own
 * @throws RmbgError USAGE when the log file cannot be used
 */
export async function listeners(
  options: PrinterOptions & { json: boolean; output?: string | undefined; 'log-file'?: string | undefined },
  own?: Printer,
): Promise<Listeners> {
  const print = own ?? (await choosePrinter(options))
  const path = options['log-file']
  const log = path === undefined ? undefined : openLogFile(path)
  const known = new Set<NoticeEvent['code']>()
  return {
    tell: (event) => {
      log?.write(event)
      if (event.type !== 'notice' || !known.has(event.code)) print(event)
    },
    isKnown: (code) => void known.add(code),
    fail: (error) => {
      log?.write({ type: 'error', ...describeError(error) })
      if (options.json) process.stdout.write(`${errorEventText(error)}\n`)
    },
  }
}

/** NDJSON where it is asked for, a progress bar where a person watches, plain lines elsewhere. */
async function choosePrinter(
  options: PrinterOptions & { json: boolean; output?: string | undefined },
): Promise<Printer> {
  if (options.output === '-') return pipedPrinter(options)
  if (options.json) return ndjsonPrinter(options)
  if (!process.stdout.isTTY || !process.stderr.isTTY) return linesPrinter(options)
  const { terminalPrinter } = await import('./terminal.ts')
  return terminalPrinter(options)
}
