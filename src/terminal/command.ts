import { Command } from '@oclif/core/command'
import { ExitError } from '@oclif/core/errors'
import type * as Interfaces from '@oclif/core/interfaces'
import * as ux from '@oclif/core/ux'
import { type Context, openContext, type WaitingNews } from '../context.ts'
import { RmbgError } from '../errors.ts'
import { type ResolvedSettings, resolveSettings } from '../settings/settings.ts'
import { describeError, errorText, statusOf, usageError } from './error-text.ts'
import { exitStatus } from './exit.ts'
import { patienceFlag } from './flags.ts'
import { above, leaveLiveLines } from './live-line.ts'
import { printableLines, printableOutput } from './printable.ts'
import { onStopSignals, type StopSignals } from './signals.ts'
import { databaseText } from './texts/database-text.ts'
import { wrapFor } from './wrap.ts'

/** What a command works with while `withContext` runs it. */
export interface Frame {
  settings: ResolvedSettings
  context: Context
  /** Its signal aborts on the first Ctrl-C, if the command said what happens then. */
  stop: StopSignals
}

export interface FrameOptions {
  /** Flags that are settings: they win over the environment and the configuration file. */
  flags?: Record<string, unknown>
  /** What the first Ctrl-C waits for, such as "images in work are finished first". Without it, Ctrl-C ends the process. */
  onStop?: string
  /** Where to say it; stderr by default. */
  tell?: (message: string) => void
  /** For a command that writes: its first message says in which database. */
  namesDatabase?: boolean
  /** For a command of the fleet: refused without a server, before an embedded database is made. */
  isFleet?: boolean
  /** Where to say what is waited for: a server that is away, or ONNX Runtime on its way; stderr by default. */
  tellOfWaiting?: (news: WaitingNews) => void
}

/** What every command shares: its frame, how it speaks, how it reports an error and its exit status. */
export abstract class BaseCommand extends Command {
  static override baseFlags: Interfaces.FlagInput = patienceFlag
  #patience: string | undefined

  /**
   * Runs an action with settings resolved and drivers at hand. Drivers open on first use and are closed at the end,
   * whatever happens. A command that was stopped ends with the status of the signal.
   *
   * @throws RmbgError CONFIG_INVALID, or what the action throws
   */
  protected async withContext<T>(
    action: (frame: Frame) => Promise<T>,
    {
      flags = {},
      onStop,
      namesDatabase = false,
      isFleet = false,
      tell = (message) => this.logToStderr(message),
      tellOfWaiting = ({ message }) => this.logToStderr(message),
    }: FrameOptions = {},
  ): Promise<T> {
    const settings = await resolveSettings({ patience: this.#patience, ...flags })
    if (isFleet && settings.databaseUrl === undefined)
      throw (await import('../database/queue.ts')).needsServer()
    const stop = onStop === undefined ? neverStopped : onStopSignals(tell, onStop)
    const context = openContext(settings, {
      signal: stop.signal,
      tell: tellOfWaiting,
      ...(namesDatabase && { onDatabase: (database) => this.logToStderr(databaseText(database)) }),
    })
    try {
      return await action({ settings, context, stop })
    } catch (error) {
      if (stop.signal.aborted) this.stopped(stop, error)
      throw error
    } finally {
      await context.close()
      stop.release()
    }
  }

  // oclif 4 puts what a flag's parser says between two lines of its own; the sentence stands for itself.
  protected override async parse<
    F extends Interfaces.OutputFlags<Interfaces.FlagInput>,
    B extends Interfaces.OutputFlags<Interfaces.FlagInput>,
    A extends Interfaces.OutputArgs<Interfaces.ArgInput>,
  >(options?: Interfaces.Input<F, B, A>, argv?: string[]): Promise<Interfaces.ParserOutput<F, B, A>> {
    try {
      const parsed = await super.parse(options, argv)
      this.#patience = (parsed.flags as { patience?: string }).patience
      return parsed
    } catch (error) {
      if (error instanceof RmbgError)
        error.message = error.message
          .replace(/^Parsing --\S+ \n\t/, '')
          .replace(/\nSee more help with --help$/, '')
      throw error
    }
  }

  // What comes from files, databases and servers may hold what a terminal would obey.
  override log(message = ''): void {
    above(() => super.log(printableOutput(message)))
  }

  override logToStderr(message = ''): void {
    above(() => super.logToStderr(wrapFor(process.stderr, printableOutput(message))))
  }

  override logJson(json: unknown): void {
    ux.stdout(printableLines(JSON.stringify(json, undefined, 2)))
  }

  /** One line on stderr, the last one, whoever found the error; the stack before it, only with DEBUG. */
  protected override async catch(thrown: unknown): Promise<never> {
    leaveLiveLines()
    if (thrown instanceof ExitError) throw thrown
    const error = usageError(thrown, this.#knownWords())
    this.onFailure(error)
    if (process.env.DEBUG && thrown instanceof Error) this.logToStderr(thrown.stack ?? '')
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(error))
    else this.logToStderr(errorText(error))
    this.exit(statusOf(error))
  }

  /** For a command that tells of an error in a way of its own, besides the line on stderr. */
  protected onFailure(_error: unknown): void {}

  #knownWords() {
    const { id, flags, baseFlags, enableJsonFlag } = this.ctor
    const names = Object.keys({ ...baseFlags, ...flags, ...(enableJsonFlag && { json: true }), help: true })
    return {
      command: `${this.config.bin} ${(id ?? '').replaceAll(':', ' ')}`.trim(),
      flags: names.map((name) => `--${name}`),
    }
  }

  /** The abort itself is no error to report; one that a person can act on is. */
  protected stopped(stop: StopSignals, error?: unknown): never {
    leaveLiveLines()
    if (error instanceof ExitError) throw error
    if (error !== undefined) this.onFailure(error)
    if (error instanceof RmbgError && !this.jsonEnabled()) this.logToStderr(errorText(error))
    this.logToStderr('Stopped. Run the same command again to continue.')
    this.exit(stop.status())
  }

  protected override toErrorJson(error: unknown): {
    error: { code: string; message: string; hint?: string }
  } {
    return { error: describeError(error) }
  }
}

const neverStopped: StopSignals = {
  signal: new AbortController().signal,
  status: () => exitStatus.interrupted,
  release: () => {},
}
