import * as Args from '@oclif/core/args'
import type { VerifiedBackup } from '../../backup/verify.ts'
import { openContext } from '../../context.ts'
import { environmentVariable as env, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { exitStatus } from '../../terminal/exit.ts'
import { plural } from '../../terminal/plural.ts'
import { printable } from '../../terminal/printable.ts'
import { progress } from '../../terminal/progress.ts'
import { onStopSignals } from '../../terminal/signals.ts'
import { chosenManifest, openVaultAt } from '../../terminal/vault.ts'

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
    const settings = await resolveSettings({})
    const context = openContext(settings)
    const stop = onStopSignals(
      (message) => this.logToStderr(message),
      'the object in work is read to its end',
    )
    try {
      const { vault, backupId } = await openVaultAt(context, settings, args.from)
      const manifest = await chosenManifest(vault, backupId)
      const { verifyBackup } = await import('../../backup/verify.ts')
      const bar = progress('objects', manifest.objects.copied ? manifest.objects.count : 0, {
        silent: this.jsonEnabled(),
      })
      const verified = await verifyBackup(vault, manifest, {
        signal: stop.signal,
        onObject: () => bar.add(1),
      }).finally(() => bar.stop())
      for (const damage of verified.damages) this.log(printable(damage))
      const { damages, objectsRead } = verified
      this.log(
        damages.length === 0
          ? `${verified.backupId} is intact: the dump and ${plural(objectsRead, 'object')} are as they were written.`
          : `${verified.backupId} is damaged in ${damages.length} places.`,
      )
      if (damages.length > 0) process.exitCode = exitStatus.store
      return verified
    } catch (error) {
      if (stop.signal.aborted) this.stopped(stop)
      throw error
    } finally {
      await context.close()
      stop.release()
    }
  }
}
