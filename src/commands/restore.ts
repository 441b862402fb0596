import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type { Manifest } from '../backup/manifest.ts'
import { openContext } from '../context.ts'
import type { Database } from '../database/connect.ts'
import { RmbgError } from '../errors.ts'
import { databaseFolder, resolveSettings } from '../settings/settings.ts'
import { BaseCommand } from '../terminal/command.ts'
import { plural } from '../terminal/plural.ts'
import { progress } from '../terminal/progress.ts'
import { onStopSignals } from '../terminal/signals.ts'
import { chosenManifest, openVaultAt } from '../terminal/vault.ts'

export interface RestoreResult {
  backupId: string
  database: string
  /** False when the database held the backup already. */
  restored: boolean
  objects: { count: number; copied: number; missing: number } | null
}

export default class Restore extends BaseCommand {
  static override summary = 'Restore a backup into an empty database.'
  static override description =
    'The dump is compared with its checksum, restored in one transaction, and every table compared with what was backed up. A database with anything in it is refused. A backup of the embedded database restores into PostgreSQL as well: that is the way from one to the other.'
  static override examples = [
    '<%= config.bin %> restore /var/backups/rmbg --objects',
    '<%= config.bin %> restore s3://backups/rmbg/2026-11-21T03-00-00Z-1a2b3c --into rmbg_before_the_mishap',
  ]
  static override enableJsonFlag = true
  static override args = {
    from: Args.string({
      ignoreStdin: true,
      description: 'a backup; or a folder or s3://bucket/prefix, for the newest in it',
    }),
  }
  static override flags = {
    into: Flags.string({
      helpValue: 'NAME',
      description: 'into this database of the server in DATABASE_URL; it is made unless it is there',
    }),
    objects: Flags.boolean({ default: false, description: 'also put the objects back that the store lacks' }),
  }

  async run(): Promise<RestoreResult> {
    const { args, flags } = await this.parse(Restore)
    const settings = await resolveSettings({})
    const context = openContext(settings)
    const stop = onStopSignals((message) => this.logToStderr(message), 'what is not complete is undone')
    try {
      const { vault, backupId } = await openVaultAt(context, settings, args.from)
      const manifest = await chosenManifest(vault, backupId)
      if (flags.objects && !manifest.objects.copied) {
        throw new RmbgError('REFUSED', 'This backup holds no copies of the objects.', {
          hint: 'Restore it without --objects; its jobs need the object store as it was.',
        })
      }
      const { restoreBackup } = await import('../backup/restore.ts')
      const target = await openTarget(settings, manifest, flags.into)
      let restored: boolean
      try {
        this.logToStderr(`Restoring ${manifest.backupId} into ${target.database.location} …`)
        restored = await restoreBackup(vault, manifest, target.database, target.url)
      } finally {
        await target.database.close()
      }
      this.log(
        restored
          ? `Restored ${manifest.backupId}: every table is as it was backed up.`
          : `${manifest.backupId} is in there already, as it was backed up.`,
      )
      const result: RestoreResult = {
        backupId: manifest.backupId,
        database: target.database.location,
        restored,
        objects: null,
      }
      if (!flags.objects) return result
      const store = await context.store()
      await store.check(stop.signal)
      const { restoreObjects } = await import('../backup/objects.ts')
      const bar = progress('objects', manifest.objects.count, { silent: this.jsonEnabled() })
      const { count, copied, missing, damaged } = await restoreObjects(vault, manifest.backupId, store, {
        signal: stop.signal,
        onObject: () => bar.add(1),
      }).finally(() => bar.stop())
      this.log(`${plural(count, 'object')}, ${copied} of them put back.`)
      const lacking = [...missing, ...damaged]
      if (lacking.length > 0) {
        throw new RmbgError(
          'BACKUP_INVALID',
          `Missing or damaged in the backup: ${plural(lacking.length, 'object')}, such as ${lacking[0]}.`,
          { hint: 'Everything else is restored.' },
        )
      }
      return { ...result, objects: { count, copied, missing: 0 } }
    } catch (error) {
      if (stop.signal.aborted) this.stopped(stop)
      throw error
    } finally {
      await context.close()
      stop.release()
    }
  }
}

/** The database to fill, as it is: neither migrated nor expected to be. */
async function openTarget(
  { databaseUrl, home }: { databaseUrl?: string | undefined; home: string },
  manifest: Manifest,
  into: string | undefined,
): Promise<{ database: Database; url: string | undefined }> {
  if (databaseUrl === undefined) {
    if (into !== undefined) {
      throw new RmbgError('USAGE', '--into names a database of a server, and DATABASE_URL is not set.')
    }
    if (manifest.database.format !== 'plain') {
      throw new RmbgError('REFUSED', 'This backup was taken of a PostgreSQL server and needs one.', {
        hint: 'Set DATABASE_URL.',
      })
    }
    const { openEmbedded } = await import('../database/embedded.ts')
    return { database: await openEmbedded(databaseFolder(home), { migrate: false }), url: undefined }
  }
  const { connectServer, ensureDatabase } = await import('../database/connect.ts')
  const url = into === undefined ? databaseUrl : await ensureDatabase(databaseUrl, into)
  return { database: connectServer(url, { maxConnections: 2 }), url }
}
