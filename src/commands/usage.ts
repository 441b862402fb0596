import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import type { DiskUsage } from '../jobs/disk-usage.ts'
import { isBucketAddress } from '../process/inputs/addresses.ts'
import { databaseFolder, modelsFolder } from '../settings/settings.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { usageText } from '../terminal/texts/usage-text.ts'

export default class Usage extends BaseCommand {
  static override summary = 'Show how much space everything takes, and where it lies.'
  static override description =
    'Objects by kind, database, models, backups and the folder of --output, where a setting names it. Objects are taken from the log, which is fast; --exact lists the store, and finds also what no job names. Changes nothing.'
  static override examples = ['<%= config.bin %> usage', '<%= config.bin %> usage --exact --json']
  static override enableJsonFlag = true
  static override flags = {
    exact: Flags.boolean({ default: false, description: 'list the store instead of asking the log' }),
  }

  async run(): Promise<DiskUsage> {
    const { flags } = await this.parse(Usage)
    return this.withContext(async (frame) => this.#measure(frame, flags), {
      onStop: 'nothing is changed',
    })
  }

  async #measure({ context, settings, stop }: Frame, { exact }: { exact: boolean }): Promise<DiskUsage> {
    const { home, output } = settings
    const { diskUsage } = await import('../jobs/disk-usage.ts')
    const services = { database: await context.database(), store: await context.store() }
    const folders = {
      home: resolve(home),
      database: databaseFolder(home),
      models: modelsFolder(home),
      cache: this.config.cacheDir,
      output: output === undefined || isBucketAddress(output) ? undefined : resolve(output),
    }
    const usage = await diskUsage(services, folders, { exact, signal: stop.signal })
    this.log(usageText(usage))
    return usage
  }
}
