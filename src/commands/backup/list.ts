import * as Args from '@oclif/core/args'
import type { Manifest } from '../../backup/manifest.ts'
import { environmentVariable as env } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { backupTable } from '../../terminal/texts/backup-text.ts'

export default class BackupList extends BaseCommand {
  static override summary = 'List backups, oldest first.'
  static override enableJsonFlag = true
  static override args = {
    from: Args.string({
      ignoreStdin: true,
      description: `a folder or s3://bucket/prefix [env: ${env('backupTo')}]`,
    }),
  }

  async run(): Promise<Manifest[]> {
    const { args } = await this.parse(BackupList)
    return this.withContext(async ({ context }) => {
      const { vault } = await context.vault(args.from)
      const { listManifests } = await import('../../backup/manifest.ts')
      const manifests = await listManifests(vault)
      if (manifests.length > 0) this.log(backupTable(manifests))
      else this.logToStderr(`There is no backup in ${vault.location}.`)
      return manifests
    })
  }
}
