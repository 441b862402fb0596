import { resolve } from 'node:path'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { openContext } from '../context.ts'
import type { SummaryEvent } from '../process/events.ts'
import { collectInputs } from '../process/inputs.ts'
import { resolveCutout } from '../settings/cutout-settings.ts'
import { loadPreset } from '../settings/presets.ts'
import {
  deviceNames,
  environmentVariable as env,
  resolveSettings,
  storeFolder,
} from '../settings/settings.ts'
import { BaseCommand, describeError } from '../terminal/command.ts'
import { cutoutFlags } from '../terminal/cutout-flags.ts'
import { exitStatus } from '../terminal/exit.ts'
import { printable } from '../terminal/printable.ts'
import { linesPrinter } from '../terminal/printers/lines.ts'
import { ndjsonPrinter } from '../terminal/printers/ndjson.ts'
import { terminalPrinter } from '../terminal/printers/terminal.ts'
import { onStopSignals } from '../terminal/signals.ts'

export default class Process extends BaseCommand {
  static override summary = 'Remove the background of images.'
  static override description =
    `Stores three objects per image (original/, mask/, processed/) and logs every image as a job in the database.
Running the same command again does only what is not done yet.

Inputs are globs (quoted or not), files, folders (recursive) or - for a list on standard input.

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
  static override flags = {
    'from-file': Flags.string({
      helpValue: 'FILE',
      description: 'read inputs from a list, one per line or NUL separated',
    }),
    ignore: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'GLOB',
      description: `leave out what matches [env: ${env('ignore')}]`,
    }),
    output: Flags.string({
      char: 'o',
      helpValue: 'DIR',
      description: `also write the cut-outs into a local folder that mirrors the inputs [env: ${env('output')}]`,
    }),
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME|FILE.onnx',
      description: `model to use; auto is RMBG-2.0 where it is installed, else the built-in one; see "rmbg model list" (default: auto) [env: ${env('model')}]`,
    }),
    threads: Flags.integer({
      min: 1,
      description: `threads of one inference (default: all cores) [env: ${env('threads')}]`,
    }),
    concurrency: Flags.integer({
      char: 'c',
      min: 1,
      description: `images in the pipeline at once (default: cores + 1, fewer where memory is short) [env: ${env('concurrency')}]`,
    }),
    'max-memory': Flags.string({
      helpValue: 'SIZE',
      description: `memory for images in the pipeline, such as 4GB (default: half of what is available) [env: ${env('maxMemory')}]`,
    }),
    'max-pixels': Flags.integer({
      min: 1,
      description: `refuse images of more pixels (default: 256000000) [env: ${env('maxPixels')}]`,
    }),
    'allow-svg': Flags.boolean({
      description: `render SVG files too; only for files you trust [env: ${env('allowSvg')}]`,
    }),
    device: Flags.string({
      options: [...deviceNames],
      description: `what to run the model on; one that is named is never replaced by another (default: auto) [env: ${env('device')}]`,
    }),
    'from-mask': Flags.boolean({
      default: false,
      description:
        'make cut-outs from stored originals and masks, without inference; inputs are files processed before, or ids of jobs',
      exclusive: ['model', 'device', 'threads'],
    }),
    preset: Flags.string({
      helpValue: 'NAME|FILE.json',
      description: `make and check cut-outs as a catalogue asks for them; see "rmbg check --help" [env: ${env('preset')}]`,
      helpGroup: 'CUT-OUT',
    }),
    ...cutoutFlags,
    'fail-on-review': Flags.string({
      helpValue: 'N%',
      description: `exit with status 8 when more cut-outs than this share need review [env: ${env('failOnReview')}]`,
    }),
    user: Flags.string({
      char: 'u',
      helpValue: 'ID',
      description: `user the jobs belong to (default: the user of this computer) [env: ${env('user')}]`,
    }),
    tag: Flags.string({
      char: 't',
      multiple: true,
      multipleNonGreedy: true,
      description: `tag every image; repeatable [env: ${env('tag')}]`,
    }),
    checksum: Flags.boolean({
      default: false,
      description: 'compare contents instead of trusting path, size and time',
      exclusive: ['force'],
    }),
    force: Flags.boolean({ default: false, description: 'do images again that are done' }),
    'dry-run': Flags.boolean({ default: false, description: 'print what would be done' }),
    'fail-fast': Flags.boolean({
      default: false,
      description: 'stop taking images after the first failure',
      exclusive: ['max-failures'],
    }),
    'max-failures': Flags.integer({
      min: 1,
      helpValue: 'N',
      description: 'stop taking images after N failures',
    }),
    json: Flags.boolean({ default: false, description: 'print one JSON object per event (NDJSON)' }),
    quiet: Flags.boolean({
      default: false,
      char: 'q',
      description: 'print failures only',
      exclusive: ['verbose'],
    }),
    verbose: Flags.boolean({ default: false, description: 'print details of every image' }),
  }

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Process)
    const settings = await resolveSettings(flags)
    const preset = settings.preset === undefined ? undefined : await loadPreset(settings.preset)
    const cutout = await resolveCutout({ ...preset?.cutout, ...settings })
    const outputFolder = settings.output === undefined ? undefined : resolve(settings.output)
    const candidates = await collectInputs({
      patterns: argv as string[],
      ...(flags['from-file'] !== undefined && { fromFile: flags['from-file'] }),
      stdin: process.stdin,
      takesJobs: flags['from-mask'],
      ignore: settings.ignore,
      excludeFolders: [storeFolder(settings.home), ...(outputFolder === undefined ? [] : [outputFolder])],
      cwd: process.cwd(),
    })

    const printer = flags.json
      ? ndjsonPrinter
      : process.stdout.isTTY && process.stderr.isTTY
        ? terminalPrinter
        : linesPrinter
    const print = printer(flags)
    const stop = onStopSignals((message) => print({ type: 'notice', message }), 'images in work are finished first')
    const context = openContext(settings)
    let summary: SummaryEvent
    try {
      const [mattes, store] = await Promise.all([
        flags['from-mask']
          ? ('stored' as const)
          : context.modelSpec().then((spec) => ({ spec, model: context.model })),
        context.store(),
      ])
      if (!flags['dry-run']) await store.check(stop.signal)
      const database = await context.database()
      const { runBatch } = await import('../process/batch.ts')
      const { planOutputs } = await import('../process/outputs.ts')
      const outputs =
        outputFolder === undefined ? undefined : planOutputs(candidates, outputFolder, cutout.extension)
      summary = await runBatch(
        candidates,
        { store, database, mattes },
        {
          user: settings.user,
          tags: settings.tag,
          concurrency: settings.concurrency,
          maxMemory: settings.maxMemory,
          maxPixels: settings.maxPixels,
          allowSvg: settings.allowSvg ?? false,
          cutout: { ...cutout.options, rules: preset?.check },
          cutoutParams: {
            ...cutout.params,
            ...(preset && { rules: { preset: preset.name, sha256: preset.checkSha256 } }),
          },
          outputOf: outputs && ((candidate) => outputs.get(candidate.path)!),
          checksum: flags.checksum,
          force: flags.force,
          dryRun: flags['dry-run'],
          maxFailures: flags['fail-fast'] ? 1 : (flags['max-failures'] ?? Number.POSITIVE_INFINITY),
          signal: stop.signal,
          onEvent: print,
        },
      )
    } catch (error) {
      if (flags.json)
        process.stdout.write(`${printable(JSON.stringify({ type: 'error', ...describeError(error) }))}\n`)
      throw error
    } finally {
      await context.close()
      stop.release()
    }
    if (summary.interrupted) this.exit(stop.status())
    if (summary.failed > 0) this.exit(exitStatus.imagesFailed)
    const { needReview, completed, skipped } = summary
    if (
      settings.failOnReview !== undefined &&
      needReview * 100 > settings.failOnReview * (completed + skipped)
    ) {
      this.logToStderr(
        `${needReview} of ${completed + skipped} cut-outs need review, more than ${settings.failOnReview}%.`,
      )
      this.exit(exitStatus.reviewNeeded)
    }
  }
}
