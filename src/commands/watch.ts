import * as Args from '@oclif/core/args'
import { RmbgError } from '../errors.ts'
import type { BatchEvent, SummaryEvent } from '../process/events.ts'
import { BatchCommand } from '../terminal/batch-command.ts'
import type { Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { listeners } from '../terminal/printers/choose.ts'
import { linesPrinter } from '../terminal/printers/lines.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { type WatchFlags, watchFlags } from '../terminal/watch-flags.ts'

export default class Watch extends BatchCommand {
  static override summary = 'Watch folders or buckets and remove the background of every picture that comes.'
  static override description =
    `Does what rmbg process would do, and goes on: a picture that is put into the folder, or changed, is taken as soon as it is completely written. What came while nobody watched is done at the start. A picture that fails is told of and stops nothing; it is tried again when it changes, or at the next start. The cut-outs may go into a folder inside: they are never taken as inputs.

Buckets (s3://bucket/prefix/) are listed at the start and every 15 minutes. With --listen or --sqs their event notifications are taken as well, so that a new picture is done at once. See docs/events.md.

Ctrl-C and SIGTERM finish the images in work and end with status 0.

Exit status: ${exitStatus.done} ended by Ctrl-C or SIGTERM, ${exitStatus.unexpected} unexpected error, ${exitStatus.usage} wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.model} model.`
  static override examples = [
    '<%= config.bin %> watch inbox --output cutouts',
    '<%= config.bin %> watch /mnt/share/inbox --poll --settle 10s --output /mnt/share/cutouts --json',
    '<%= config.bin %> watch s3://shop/photos/ --listen 0.0.0.0:7001 --secret-file /etc/rmbg.secret',
    '<%= config.bin %> watch s3://shop/photos/ --sqs https://sqs.eu-central-1.amazonaws.com/123456789012/photos',
  ]
  static override strict = false
  static override args = {
    inputs: Args.string({ ignoreStdin: true, required: true, description: 'folders or buckets to watch' }),
  }
  static override flags = watchFlags

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Watch)
    const print = this.listen(await listeners(flags, flags.json ? undefined : newsPrinter(flags)))
    await this.withContext((frame) => watchInputs(frame, argv as string[], flags, print), {
      flags,
      onStop: 'images in work are finished first',
      tell: (message) => print({ type: 'notice', code: 'stopping', message }),
      tellOfWaiting: (news) => print({ type: 'notice', ...news }),
    })
  }
}

async function watchInputs(
  frame: Frame,
  inputs: readonly string[],
  flags: WatchFlags,
  print: Printer,
): Promise<SummaryEvent> {
  const areBuckets = inputs.map((input) => /^s3:\/\//i.test(input))
  const [isBucket = false] = areBuckets
  if (areBuckets.includes(!isBucket))
    throw new RmbgError('USAGE', 'Folders and buckets are watched by a rmbg watch each.')
  const foreign = isBucket ? ofFolders : ofBuckets
  const given = foreign.find((name) => flags[name])
  if (given) {
    const [those, these] = isBucket ? ['folders', 'buckets'] : ['buckets', 'folders']
    throw new RmbgError('USAGE', `--${given} is for ${those}, and ${these} are watched.`)
  }
  if (isBucket) {
    const { watchBucketInputs } = await import('../terminal/watch-buckets.ts')
    return watchBucketInputs(frame, inputs, flags, print)
  }
  const { watchFolderInputs } = await import('../terminal/watch-folders.ts')
  return watchFolderInputs(frame, inputs, flags, print)
}

const ofFolders = ['settle', 'poll'] as const
const ofBuckets = ['listen', 'sqs', 'list-every', 'metrics'] as const

/** A line for each picture that was done or failed; what was done before is no news. */
function newsPrinter(flags: { quiet: boolean; verbose: boolean }): Printer {
  const print = linesPrinter(flags)
  const isNews = (event: BatchEvent) =>
    flags.verbose ||
    event.type !== 'image' ||
    event.status !== 'skipped' ||
    event.output?.state === 'restored'
  return (event) => {
    if (isNews(event)) print(event)
  }
}
