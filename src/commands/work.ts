import type { SummaryEvent } from '../process/events.ts'
import { BatchCommand } from '../terminal/batch-command.ts'
import type { Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { type WorkFlags, workFlags } from '../terminal/fleet-flags.ts'
import { listeners } from '../terminal/printers/choose.ts'
import type { Printer } from '../terminal/printers/printer.ts'
import { workerPrinter } from '../terminal/printers/worker.ts'

export default class Work extends BatchCommand {
  static override summary = 'Work on the images of a queue, beside other machines.'
  static override description =
    `Takes images that rmbg enqueue has put into the queue, and does with each what rmbg process would do. Any number of machines may do so at once; one that dies loses its images to the others after a minute. An image that fails stops nothing. Database and store may be away: the worker waits for them.

Without --drain it goes on for ever and waits for more. SIGTERM and Ctrl-C finish the images in work, give the rest back and end with status 0, or with --drain with that of the signal. Needs DATABASE_URL and Node 22.12 or newer.

Exit status: ${exitStatus.done} ended by a signal or, with --drain, nothing left; ${exitStatus.unexpected} unexpected error, ${exitStatus.usage} wrong usage, ${exitStatus.imagesFailed} with --drain images failed or ended their workers, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.model} model, ${exitStatus.interrupted} with --drain stopped by Ctrl-C, ${exitStatus.terminated} by SIGTERM.`
  static override examples = [
    '<%= config.bin %> work',
    '<%= config.bin %> work --name spring --drain',
    '<%= config.bin %> work --concurrency 8 --prefetch 1GB --json',
  ]
  static override flags = workFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Work)
    const print = this.listen(await listeners(flags, flags.json ? undefined : workerPrinter(flags)))
    await this.withContext((frame) => this.#work(frame, flags, print), {
      flags,
      isFleet: true,
      onStop: 'images in work are finished first, the rest goes back into the queue',
      tell: (message) => print({ type: 'notice', code: 'stopping', message }),
      tellOfWaiting: (news) => print({ type: 'notice', ...news }),
    })
  }

  async #work(frame: Frame, flags: WorkFlags, print: Printer): Promise<SummaryEvent> {
    const { workAsAsked } = await import('../terminal/work.ts')
    const { summary, hasLost } = await workAsAsked(frame, flags, print)
    if (!flags.drain) return summary
    if (frame.stop.signal.aborted) this.exit(frame.stop.status())
    if (hasLost) this.exit(exitStatus.imagesFailed)
    return summary
  }
}
