import { setFlagsFromString } from 'node:v8'
import * as Args from '@oclif/core/args'
import type { Enqueued } from '../fleet/enqueue.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { enqueueFlags } from '../terminal/fleet-flags.ts'
import { guardSuffix } from '../terminal/output-flags.ts'
import { plural } from '../terminal/plural.ts'
import { running } from '../terminal/progress.ts'

export default class Enqueue extends BaseCommand {
  static override summary = 'Put images into a queue that many machines work on.'
  static override description =
    `Lists the inputs once and writes them into the database, some at a time. Workers (rmbg work) take them from there. The settings travel along: every worker makes the same cut-outs.

A command that was stopped goes on where it was when it is run again. Needs DATABASE_URL and Node 22.12 or newer.

Exit status: ${exitStatus.done} all in the queue, ${exitStatus.unexpected} unexpected error, ${exitStatus.usage} wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store that inputs lie in, ${exitStatus.model} model, ${exitStatus.interrupted} stopped by Ctrl-C, ${exitStatus.terminated} by SIGTERM.`
  static override examples = [
    '<%= config.bin %> enqueue s3://shop/photos/',
    '<%= config.bin %> enqueue --manifest s3://shop/inventory/manifest.json --name all',
    '<%= config.bin %> enqueue /mnt/photos --name spring --preset amazon --tag spring',
  ]
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    inputs: Args.string({
      ignoreStdin: true,
      description: 's3://bucket/prefix/, https://..., or folders, globs and files that all workers reach',
    }),
  }
  static override flags = enqueueFlags

  async run(): Promise<Enqueued> {
    // A list of millions is short-lived text: V8 would let it fill 100 MB more before it collects.
    setFlagsFromString('--optimize-for-size')
    const { flags, argv } = await this.parse(Enqueue, guardSuffix(this.argv))
    const { enqueueInputs } = await import('../terminal/enqueue-inputs.ts')
    const progress = running('images in the queue')
    const done = await this.withContext(
      async (frame) => {
        const result = await enqueueInputs(frame, argv as string[], flags, {
          print: (event) => {
            if (event.type === 'notice') this.logToStderr(event.message)
          },
          onWritten: progress.add,
        }).finally(progress.stop)
        if (!result.isListed) this.stopped(frame.stop)
        return result
      },
      { flags, namesDatabase: true, isFleet: true, onStop: 'what is listed is written first' },
    )
    const { campaign, images, shards, added } = done
    this.log(
      `Campaign ${campaign}: ${plural(images, 'image')} in ${plural(shards, 'shard')}${added < images ? `, ${added} of them added now` : ''}.`,
    )
    this.logToStderr(`Start workers: rmbg work --name ${campaign}`)
    return done
  }
}
