import * as Args from '@oclif/core/args'
import type { SummaryEvent } from '../process/events.ts'
import { collectInputs } from '../process/inputs.ts'
import { resolveCutout } from '../settings/cutout-settings.ts'
import { loadPreset } from '../settings/presets.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { BaseCommand, describeError, type Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { printable } from '../terminal/printable.ts'
import { choosePrinter } from '../terminal/printers/choose.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { type ProcessFlags, processFlags, toBatchOptions, toInputOptions } from '../terminal/process-flags.ts'
import { offerBetterModel } from '../terminal/setup/first-run.ts'
import { ownershipOf } from '../terminal/take-over.ts'

export default class Process extends BaseCommand {
  static override summary = 'Remove the background of images.'
  static override description =
    `Stores three objects per image (original/, mask/, processed/) and logs every image as a job in the database.
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
        await offerBetterModel(flags, frame)
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
    { settings, context, stop }: Frame,
    patterns: readonly string[],
    flags: ProcessFlags,
    print: Printer,
  ): Promise<SummaryEvent> {
    try {
      const preset = settings.preset === undefined ? undefined : await loadPreset(settings.preset)
      const cutout = await resolveCutout({ ...preset?.cutout, ...settings })
      const inputs = toInputOptions(flags, settings, patterns)
      const candidates = await collectInputs({ ...inputs, onNotice: print })
      const options = toBatchOptions({ flags, settings, cutout, preset, candidates })
      const [masks, store] = await Promise.all([
        flags['from-mask']
          ? ('from-store' as const)
          : context.modelSpec().then((spec) => ({ spec, model: context.model })),
        context.store(),
      ])
      if (!flags['dry-run']) await store.check(stop.signal)
      const database = await context.database()
      // Cut-outs from masks are new objects too.
      if (!flags['dry-run']) await context.ownStore(database, ownershipOf(flags, { claims: true }))
      const { runBatch } = await import('../process/batch.ts')
      const services = { store, database, masks }
      return await runBatch(candidates, services, { ...options, signal: stop.signal, onEvent: print })
    } catch (error) {
      if (flags.json)
        process.stdout.write(`${printable(JSON.stringify({ type: 'error', ...describeError(error) }))}\n`)
      throw error
    }
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
