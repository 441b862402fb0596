/** Every error in one style, ours and oclif's: what went wrong, which code it has, and what to do. */
import { stripVTControlCharacters } from 'node:util'
import { CLIError } from '@oclif/core/errors'
import { RmbgError } from '../errors.ts'
import type { ErrorEvent } from '../process/events.ts'
import { closest } from './closest.ts'
import { messageColors as colors } from './colors.ts'
import { exitStatus, exitStatusOfFamily } from './exit.ts'
import { printable } from './printable.ts'

/** What a program is told of an error. */
export function describeError(error: unknown): Omit<ErrorEvent, 'type'> {
  if (error instanceof RmbgError) {
    return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) }
  }
  return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : String(error) }
}

/** What a person is told of an error: one line. */
export function errorText(error: unknown): string {
  const { code, message, hint } = describeError(error)
  if (error instanceof RmbgError) {
    const rest = hint === undefined ? '' : ` ${printable(hint)}`
    return `${colors.red('Error:')} ${printable(message)} ${colors.dim(`[${code}]`)}${rest}`
  }
  const rest = process.env.DEBUG ? '' : ' This is unexpected. Set DEBUG=* to see where it comes from.'
  return `${colors.red('Error:')} ${printable(message)}${rest}`
}

export const statusOf = (error: unknown): number =>
  error instanceof RmbgError ? exitStatusOfFamily[error.family] : exitStatus.unexpected

/** What the words of a command line may be. */
export interface KnownWords {
  /** As it is typed, such as `rmbg process`. */
  command: string
  flags: readonly string[]
}

/** An error of oclif's as one of ours; any other as it is. */
export function usageError(error: unknown, known: KnownWords): unknown {
  if (!(error instanceof CLIError)) return error
  const hint = `See ${known.command} --help.`
  const { flags, args } = error as CLIError & { flags?: unknown; args?: unknown }
  if (Array.isArray(flags) && flags.length > 0) return unknownFlags(flags as string[], known)
  if (Array.isArray(args) && args.length > 0) return wrongArguments(args, hint)
  return new RmbgError('USAGE', sentence(error.message), { hint, cause: error })
}

function unknownFlags(unknown: readonly string[], { command, flags }: KnownWords): RmbgError {
  const names = unknown.map((flag) => flag.replace(/=.*$/s, ''))
  const [first = ''] = names
  const likely = closest(first, flags)
  return new RmbgError('USAGE', `Unknown ${names.length === 1 ? 'flag' : 'flags'} ${names.join(', ')}.`, {
    hint: likely === undefined ? `See ${command} --help.` : `Did you mean ${likely}? See ${command} --help.`,
  })
}

/** Arguments that are too many are texts, and those that are missing are definitions. */
function wrongArguments(args: readonly (string | { name?: string })[], hint: string): RmbgError {
  const names = args.map((arg) =>
    typeof arg === 'string' ? JSON.stringify(arg) : (arg.name ?? '').toUpperCase(),
  )
  const what = args.length === 1 ? 'argument' : 'arguments'
  const isMissing = typeof args[0] !== 'string'
  return new RmbgError('USAGE', `${isMissing ? 'Missing' : 'Unexpected'} ${what} ${names.join(', ')}.`, {
    hint,
  })
}

/** oclif writes several lines, with colors, and `--force=true` for a flag without a value. */
function sentence(message: string): string {
  const text = stripVTControlCharacters(message)
    .replace(/\nSee more help with --help\s*$/, '')
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/^Parsing (--\S+)\s+/, '$1: ')
    .replace(
      /^Command (\S+) not found/,
      (_, id: string) => `There is no command "${id.replaceAll(':', ' ')}"`,
    )
    .replaceAll(/(--[\w-]+)=true\b/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return /[.!?]$/.test(text) ? text : `${text}.`
}
