import * as Args from '@oclif/core/args'
import type { SummaryEvent } from '../process/events.ts'
import { remoteInputs } from '../process/inputs/remote.ts'
import { collectInputs } from '../process/inputs.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { openSpill } from '../system/spill.ts'
import { BatchCommand } from '../terminal/batch-command.ts'
import { openBatchServices, resolveRecipe } from '../terminal/batch-services.ts'
import type { Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { foretell } from '../terminal/foretell.ts'
import { guardSuffix } from '../terminal/output-flags.ts'
import { listeners } from '../terminal/printers/choose.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { type ProcessFlags, processFlags, toBatchOptions, toInputOptions } from '../terminal/process-flags.ts'
import { offerBetterModel } from '../terminal/setup/first-run.ts'

export default class Process extends BatchCommand {
  static override summary = 'Remove the background of images.'
  static override description =
    `Stores three objects per image (original/, mask/, processed/; --keep stores fewer) and logs every image as a job in the database.
Running the same command again processes only what is not done yet.

Inputs are globs (quoted or not), files, folders (with all subfolders), or - for a picture or a list on standard input.

Exit status: 0 all done, 1 unexpected error, 2 wrong usage, 3 some images failed, 4 database, 5 object store, 6 model, 8 too many cut-outs need review, 130 stopped by Ctrl-C, 143 by SIGTERM.`
  static override examples = [
    '<%= config.bin %> process photo.jpg --output cutout.png',
    'cat photo.jpg | <%= config.bin %> process - --output - > cutout.png',
    '<%= config.bin %> process photos --output cutouts',
    "<%= config.bin %> process 'photos/**/*.jpg' --tag spring --user anna",
    'find . -name "*.png" -print0 | <%= config.bin %> process - --json',
  ]
  static override strict = false
  static override args = {
    inputs: Args.string({
      ignoreStdin: true,
      description: 'globs, files, folders, or - for a picture or a list on standard input',
    }),
  }
  static override flags = processFlags

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Process, guardSuffix(this.argv))
    const isPiped = flags.output === '-'
    const print = this.listen(await listeners(flags))
    await this.withContext(
      async (frame) => {
        if (await offerBetterModel(flags, frame)) this.alreadyTold('model-chosen')
        const summary = await this.#process(frame, argv as string[], flags, print)
        if (summary.interrupted) this.exit(frame.stop.status())
        // Who pipes a picture expects one.
        const isMissing = isPiped && summary.ownCutouts > 0
        if (summary.failed > 0 || isMissing) this.exit(exitStatus.imagesFailed)
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
    const { settings, context, stop } = frame
    const spill = openSpill()
    const { inputBucket: bucket, patience } = context
    const remote = remoteInputs({ bucket, patience, spill, signal: stop.signal })
    try {
      print({ type: 'phase', phase: 'inputs', message: 'Looking for pictures' })
      const recipe = await resolveRecipe(settings, flags)
      const { wish, cutout } = recipe
      const inputs = { wish, extension: cutout.extension, elsewhere: { spill, remote } }
      const candidates = await collectInputs({
        ...toInputOptions(flags, settings, patterns, inputs),
        onNotice: print,
      })
      const options = toBatchOptions({ flags, settings, candidates, ...recipe })
      const services = await openBatchServices(frame, flags, print)
      await foretell(candidates, services, { ...flags, ...options, print })
      const { runBatch } = await import('../process/batch.ts')
      return await runBatch(candidates, services, { ...options, signal: stop.signal, onEvent: print })
    } finally {
      await remote.close()
      await spill.close()
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
