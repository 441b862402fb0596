import * as Args from '@oclif/core/args'
import type { VerifiedBackup } from '../../backup/verify.ts'
import { environmentVariable as env } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { exitStatus } from '../../terminal/exit.ts'
import { progress } from '../../terminal/progress.ts'
import { verifiedText } from '../../terminal/texts/backup-text.ts'

export default class BackupVerify extends BaseCommand {
  static override summary = 'Read a backup and compare everything with its checksums.'
  static override description = `Exit status: 0 intact, ${exitStatus.store} damaged.`
  static override enableJsonFlag = true
  static override args = {
    from: Args.string({
      ignoreStdin: true,
      description: `a backup; or a folder or s3://bucket/prefix, for the newest in it [env: ${env('backupTo')}]`,
    }),
  }

  async run(): Promise<VerifiedBackup> {
    const { args } = await this.parse(BackupVerify)
    return this.withContext(
      async ({ context, stop: { signal } }) => {
        const { vault, backupId } = await context.vault(args.from)
        const { chosenManifest } = await import('../../backup/manifest.ts')
        const manifest = await chosenManifest(vault, backupId)
        const total = manifest.objects.copied ? manifest.objects.count : 0
        const bar = progress('objects', total, { silent: this.jsonEnabled() })
        const { verifyBackup } = await import('../../backup/verify.ts')
        const verified = await verifyBackup(vault, manifest, {
          signal,
          onObject: () => bar.add(1),
        }).finally(() => bar.stop())
        this.log(verifiedText(verified))
        if (verified.damages.length > 0) process.exitCode = exitStatus.store
        return verified
      },
      { onStop: 'the object being read is finished first' },
    )
  }
}
