import * as Args from '@oclif/core/args'
import type { SummaryEvent } from '../process/events.ts'
import { collectInputs } from '../process/inputs.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { openBatchServices, resolveRecipe } from '../terminal/batch-services.ts'
import { BaseCommand, type Frame, reportJsonError } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { foretell } from '../terminal/foretell.ts'
import { choosePrinter } from '../terminal/printers/choose.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { type ProcessFlags, processFlags, toBatchOptions, toInputOptions } from '../terminal/process-flags.ts'
import { offerBetterModel } from '../terminal/setup/first-run.ts'

export default class Process extends BaseCommand {
  static override summary = 'Remove the background of images.'
  static override description =
    `Stores three objects per image (original/, mask/, processed/; --keep stores fewer) and logs every image as a job in the database.
Running the same command again processes only what is not done yet.

Inputs are globs (quoted or not), files, folders (with all subfolders), or - for a list on standard input.

Exit status: 0 all done, 1 unexpected error, 2 wrong usage, 3 some images failed, 4 database, 5 object store, 6 model, 8 too many cut-outs need review, 130 stopped by Ctrl-C, 143 by SIGTERM.`
  static override examples = [
    '<%= config.bin %> process photos --output cutouts',
    "<%= config.bin %> process 'photos/**/*.jpg' --tag spring --user anna",
    'find . -name "*.png" -print0 | <%= config.bin %> process - --json',
  ]
  static override strict = false
  static override args = {
    inputs: Args.string({
      ignoreStdin: true,
      description: 'globs, files, folders, or - for a list on standard input',
    }),
  }
  static override flags = processFlags

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Process)
    const print = choosePrinter(flags)
    await this.withContext(
      async (frame) => {
        await this.#offerBetterModel(flags, frame)
        const summary = await this.#process(frame, argv as string[], flags, print)
        if (summary.interrupted) this.exit(frame.stop.status())
        if (summary.failed > 0) this.exit(exitStatus.imagesFailed)
        this.#assertFewReviews(summary, frame.settings)
      },
      {
        flags,
        onStop: 'images in work are finished first',
        tell: (message) => print({ type: 'notice', code: 'stopping', message }),
        tellOfWaiting: (news) => print({ type: 'notice', ...news }),
      },
    )
  }

  async #process(
    frame: Frame,
    patterns: readonly string[],
    flags: ProcessFlags,
    print: Printer,
  ): Promise<SummaryEvent> {
    const { settings } = frame
    try {
      const { preset, cutout } = await resolveRecipe(settings)
      const inputs = toInputOptions(flags, settings, patterns)
      const candidates = await collectInputs({ ...inputs, onNotice: print })
      const options = toBatchOptions({ flags, settings, cutout, preset, candidates })
      const services = await openBatchServices(frame, flags)
      await foretell(candidates, services, { ...flags, ...options, print })
      const { runBatch } = await import('../process/batch.ts')
      return await runBatch(candidates, services, {
        ...options,
        signal: frame.stop.signal,
        onEvent: print,
      })
    } catch (error) {
      if (flags.json) reportJsonError(error)
      throw error
    }
  }

  async #offerBetterModel(flags: ProcessFlags, { settings, stop }: Frame) {
    const tell = (message: string) => this.logToStderr(message)
    await offerBetterModel(flags, settings, { signal: stop.signal, tell }).catch((error) => {
      // Somebody left a question with Ctrl-C.
      if (error instanceof Error && error.name === 'ExitPromptError') this.exit(exitStatus.interrupted)
      throw error
    })
  }

  #assertFewReviews(
    { needReview, completed, skipped, ownCutouts }: SummaryEvent,
    { failOnReview }: ResolvedSettings,
  ) {
    const cutouts = completed + skipped - ownCutouts
    if (failOnReview === undefined || needReview * 100 <= failOnReview * cutouts) return
    this.logToStderr(`${needReview} of ${cutouts} cut-outs need review, more than ${failOnReview}%.`)
    this.exit(exitStatus.reviewNeeded)
  }
}
