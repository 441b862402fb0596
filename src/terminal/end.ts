/** The end of a program that an error ended outside of a command, or before one began. */
import { ExitError } from '@oclif/core/errors'
import { describeError, errorText, statusOf, usageError } from './error-text.ts'
import { exitStatus } from './exit.ts'
import { leaveLiveLines } from './live-line.ts'
import { printable } from './printable.ts'
import { written } from './standard-output.ts'
import { wrapFor } from './wrap.ts'

/** Whether a command line asks for JSON, whatever else is wrong with it. */
export function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}

/**
 * Tells of an error as commands do, and ends the process with its status, once everything that was told has been read.
 *
 * @param argv what was typed behind the program's name
 */
export async function endWith(thrown: unknown, argv: readonly string[]): Promise<never> {
  leaveLiveLines()
  if (thrown instanceof ExitError) return exit(thrown.oclif.exit ?? exitStatus.unexpected)
  const error = usageError(thrown, { command: 'rmbg', flags: [] })
  if (asksForJson(argv)) process.stdout.write(`${errorEventText(error)}\n`)
  if (process.env.DEBUG && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`)
  process.stderr.write(`${wrapFor(process.stderr, errorText(error))}\n`)
  return exit(statusOf(error))
}

async function exit(status: number): Promise<never> {
  await written()
  process.exit(status)
}

/** An `error` event as one line of NDJSON. Escaped as JSON escapes: the same to a program, and no command to a terminal. */
export const errorEventText = (error: unknown): string =>
  printable(JSON.stringify({ type: 'error', ...describeError(error) }))
