import * as Args from '@oclif/core/args'
import type { Context } from '../context.ts'
import type { BatchServices } from '../process/contract.ts'
import { formatFor } from '../process/destination.ts'
import type { PhaseEvent, SummaryEvent } from '../process/events.ts'
import { type RemoteInputs, remoteInputs } from '../process/inputs/remote.ts'
import { collectInputs } from '../process/inputs.ts'
import { resolveCutout } from '../settings/cutout-settings.ts'
import { loadPreset } from '../settings/presets.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { openSpill, type Spill } from '../system/spill.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { asksForJson, errorEventText } from '../terminal/end.ts'
import { exitStatus } from '../terminal/exit.ts'
import { guardSuffix, toLocalWish } from '../terminal/output-flags.ts'
import { type Listeners, listeners } from '../terminal/printers/choose.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { type ProcessFlags, processFlags, toBatchOptions, toInputOptions } from '../terminal/process-flags.ts'
import { offerBetterModel } from '../terminal/setup/first-run.ts'
import { ownershipOf } from '../terminal/take-over.ts'

export default class Process extends BaseCommand {
  static override summary = 'Remove the background of images.'
  static override description =
    `Stores three objects per image (original/, mask/, processed/) and logs every image as a job in the database.
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

  #listeners: Listeners | undefined

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Process, guardSuffix(this.argv))
    const isPiped = flags.output === '-'
    this.#listeners = listeners(flags)
    const { tell: print } = this.#listeners
    await this.withContext(
      async (frame) => {
        await offerBetterModel(flags, frame)
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
    { settings, context, stop }: Frame,
    patterns: readonly string[],
    flags: ProcessFlags,
    print: Printer,
  ): Promise<SummaryEvent> {
    const spill = openSpill()
    const remote = remoteInputs({ bucket: context.inputBucket, spill, signal: stop.signal })
    try {
      print({ type: 'phase', phase: 'inputs', message: 'Looking for pictures' })
      const { candidates, options } = await plan({ settings, flags, patterns, spill, remote, print })
      const services = await openServices({ context, stop }, flags, print)
      const { runBatch } = await import('../process/batch.ts')
      return await runBatch(candidates, services, { ...options, signal: stop.signal, onEvent: print })
    } finally {
      await remote.close()
      await spill.close()
    }
  }

  protected override onFailure(error: unknown): void {
    if (this.#listeners) this.#listeners.fail(error)
    else if (asksForJson(this.argv)) process.stdout.write(`${errorEventText(error)}\n`)
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

/** Store, database and masks, in the order in which what is wrong with them is found soonest. */
async function openServices(
  { context, stop }: Pick<Frame, 'context' | 'stop'>,
  flags: ProcessFlags,
  print: Printer,
): Promise<BatchServices> {
  print({ type: 'phase', phase: 'store', message: 'Opening the store' })
  const [masks, store] = await Promise.all([
    flags['from-mask']
      ? ('from-store' as const)
      : context.modelSpec().then((spec) => ({ spec, model: context.model })),
    context.store(),
  ])
  if (!flags['dry-run']) await store.check(stop.signal)
  print(await databasePhase(context))
  const database = await context.database()
  // Cut-outs from masks are new objects too.
  if (!flags['dry-run']) await context.ownStore(database, ownershipOf(flags, { claims: true }))
  return { store, database, masks }
}

async function databasePhase(context: Context): Promise<PhaseEvent> {
  if (await context.databaseExists())
    return { type: 'phase', phase: 'database', message: 'Opening the database' }
  return { type: 'phase', phase: 'new-database', message: 'Creating the embedded database, once' }
}

interface Plan {
  settings: ResolvedSettings
  flags: ProcessFlags
  patterns: readonly string[]
  spill: Spill
  remote: RemoteInputs
  print: Printer
}

/** Finds the inputs, and names what is to become of them. */
async function plan({ settings, flags, patterns, spill, remote, print }: Plan) {
  const wish = toLocalWish(settings, {
    suffix: flags.suffix,
    json: flags.json,
    isTyped: flags.output !== undefined,
    isTerminal: process.stdout.isTTY,
  })
  const preset = settings.preset === undefined ? undefined : await loadPreset(settings.preset)
  const format = formatFor(wish.destination, { flag: flags.format, preset: preset?.cutout.format })
  const cutout = await resolveCutout({ ...preset?.cutout, ...settings, ...(format && { format }) })
  const { extension } = cutout
  const inputs = toInputOptions(flags, settings, patterns, { wish, extension, spill, remote })
  const candidates = await collectInputs({ ...inputs, onNotice: print })
  return { candidates, options: toBatchOptions({ flags, wish, settings, cutout, preset, candidates }) }
}
