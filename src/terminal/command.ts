import { Command } from '@oclif/core/command'
import { CLIError } from '@oclif/core/errors'
import * as ux from '@oclif/core/ux'
import pc from 'picocolors'
import { RmbgError } from '../errors.ts'
import { exitStatus, exitStatusOfFamily } from './exit.ts'
import { printable, printableLines, printableOutput } from './printable.ts'
import type { StopSignals } from './signals.ts'

/** What every command shares: how it speaks, how an error is told and which exit status it ends in. */
export abstract class BaseCommand extends Command {
  // What comes from files, databases and servers may hold what a terminal would obey.
  override log(message = ''): void {
    super.log(printableOutput(message))
  }

  override logToStderr(message = ''): void {
    super.logToStderr(printableOutput(message))
  }

  override logJson(json: unknown): void {
    ux.stdout(printableLines(JSON.stringify(json, undefined, 2)))
  }

  /** One sentence and one hint on stderr; the stack only with DEBUG. */
  protected override async catch(
    error: Error & { exitCode?: number; oclif?: { exit?: number } },
  ): Promise<never> {
    // oclif's own errors (bad flags, this.exit) already know their sentence and status.
    if (error instanceof CLIError) throw error
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(error))
    else {
      const known = error instanceof RmbgError ? error : undefined
      this.logToStderr(
        `${pc.red('Error:')} ${printable(error.message)}${known ? pc.dim(` [${known.code}]`) : ''}`,
      )
      if (known?.hint) this.logToStderr(printable(known.hint))
      if (!known && !process.env.DEBUG)
        this.logToStderr('This is unexpected. Set DEBUG=* to see where it comes from.')
    }
    if (process.env.DEBUG) this.logToStderr(error.stack ?? '')
    this.exit(statusOf(error))
  }

  /** Ends a command that a signal stopped, whatever error the stopping made. */
  protected stopped(stop: StopSignals): never {
    this.logToStderr('Stopped. Run the same command again to go on.')
    this.exit(stop.status())
  }

  protected override toErrorJson(error: unknown): {
    error: { code: string; message: string; hint?: string }
  } {
    return { error: describeError(error) }
  }
}

export function describeError(error: unknown): { code: string; message: string; hint?: string } {
  if (error instanceof RmbgError) {
    return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) }
  }
  return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : String(error) }
}

export function statusOf(error: unknown): number {
  return error instanceof RmbgError ? exitStatusOfFamily[error.family] : exitStatus.unexpected
}
