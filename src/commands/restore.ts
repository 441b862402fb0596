import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type { Manifest } from '../backup/manifest.ts'
import type { Vault } from '../backup/vault.ts'
import type { Database } from '../database/contract.ts'
import { RmbgError } from '../errors.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { plural } from '../terminal/plural.ts'
import { progress } from '../terminal/progress.ts'
import { ownershipOf, takeOverFlag } from '../terminal/take-over.ts'

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
    'Compares the dump with its checksum, restores it in one transaction, and compares every table with what was backed up. A database with anything in it is refused. A backup of the embedded database restores into PostgreSQL too: this is how you move from one to the other.'
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
      description: 'restore into this database of the server in DATABASE_URL; created if missing',
    }),
    grants: Flags.boolean({
      default: false,
      description: 'also restore who may do what; the roles must be there',
    }),
    objects: Flags.boolean({ default: false, description: 'also put back the objects that the store lacks' }),
    'take-over': takeOverFlag,
  }

  async run(): Promise<RestoreResult> {
    const { args, flags } = await this.parse(Restore)
    return this.withContext(
      async (frame) => {
        const { context } = frame
        const { vault, backupId } = await context.vault(args.from)
        const { chosenManifest } = await import('../backup/manifest.ts')
        const manifest = await chosenManifest(vault, backupId)
        if (flags.objects && !manifest.objects.copied) {
          throw new RmbgError('REFUSED', 'This backup holds no copies of the objects.', {
            hint: 'Restore it without --objects; its jobs need the object store as it was.',
          })
        }
        const database = await (flags.into === undefined
          ? context.database({ migrated: false })
          : context.databaseNamed(flags.into, manifest.database.needs?.locale))
        this.logToStderr(`Restoring ${manifest.backupId} into ${database.location} …`)
        const { restoreBackup } = await import('../backup/restore.ts')
        const restored = await restoreBackup(vault, manifest, database, { grants: flags.grants })
        this.log(
          restored
            ? `Restored ${manifest.backupId}: every table is as it was backed up.`
            : `${manifest.backupId} is in there already, as it was backed up.`,
        )
        if (flags.objects || flags['take-over']) {
          const applied = await bringUpToDate(database)
          if (applied.length > 0)
            this.logToStderr(`Brought the restored database up to date: ${applied.join(', ')}.`)
          await context.ownStore(database, ownershipOf(flags, { claims: true }))
        }
        const objects = flags.objects ? await this.#restoreObjects(frame, vault, manifest) : null
        return { backupId: manifest.backupId, database: database.location, restored, objects }
      },
      { onStop: 'what is not complete is undone' },
    )
  }

  async #restoreObjects(
    { context, stop: { signal } }: Frame,
    vault: Vault,
    { backupId, objects }: Manifest,
  ): Promise<RestoreResult['objects']> {
    const store = await context.store()
    await store.check(signal)
    const { restoreObjects } = await import('../backup/objects.ts')
    const bar = progress('objects', objects.count, { silent: this.jsonEnabled() })
    const { count, copied, missing, damaged } = await restoreObjects(vault, backupId, store, {
      signal,
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
    return { count, copied, missing: 0 }
  }
}

/** Backups of earlier releases lack the table that says which database owns a store. @returns applied migrations */
async function bringUpToDate(database: Database): Promise<string[]> {
  const { applyMigrations } = await import('../database/migrate.ts')
  return applyMigrations(database)
}
