import * as Args from '@oclif/core/args'
import type { SummaryEvent } from '../process/events.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { BatchCommand } from '../terminal/batch-command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { guardSuffix } from '../terminal/output-flags.ts'
import { listeners } from '../terminal/printers/choose.ts'
import { processFlags } from '../terminal/process-flags.ts'
import { processInputs } from '../terminal/process-inputs.ts'
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
        print({ type: 'phase', phase: 'inputs', message: 'Looking for pictures' })
        const summary = await processInputs(frame, argv as string[], flags, print)
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
