import * as Args from '@oclif/core/args'
import type { Manifest } from '../../backup/manifest.ts'
import { openContext } from '../../context.ts'
import { environmentVariable as env, resolveSettings } from '../../settings/settings.ts'
import { sizeText } from '../../bytes.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'
import { openVaultAt } from '../../terminal/vault.ts'

export default class BackupList extends BaseCommand {
  static override summary = 'List backups, the newest last.'
  static override enableJsonFlag = true
  static override args = {
    from: Args.string({
      ignoreStdin: true,
      description: `a folder or s3://bucket/prefix [env: ${env('backupTo')}]`,
    }),
  }

  async run(): Promise<Manifest[]> {
    const { args } = await this.parse(BackupList)
    const settings = await resolveSettings({})
    const context = openContext(settings)
    try {
      const { vault } = await openVaultAt(context, settings, args.from)
      const { listManifests } = await import('../../backup/manifest.ts')
      const manifests = await listManifests(vault)
      if (manifests.length === 0) this.logToStderr(`There is no backup in ${vault.location}.`)
      else {
        this.log(
          table(
            ['BACKUP', 'OF', 'DUMP', 'JOBS', 'OBJECTS', 'DRILLED'],
            manifests.map(({ backupId, database, objects, drill }) => [
              backupId,
              `${database.kind === 'server' ? 'PostgreSQL' : 'embedded'} ${database.version}`,
              sizeText(database.bytes),
              database.tables.find(({ table: name }) => name === 'image_process_jobs')?.rows,
              objects.copied ? `${objects.count}, ${sizeText(objects.bytes)}` : 'not copied',
              drill ? drill.at.slice(0, 16).replace('T', ' ') : 'never',
            ]),
          ),
        )
      }
      return manifests
    } finally {
      await context.close()
    }
  }
}
