import type { Manifest } from '../backup/manifest.ts'
import type { Vault } from '../backup/vault.ts'
import type { Context } from '../context.ts'
import { RmbgError } from '../errors.ts'
import { environmentVariable as env, type ResolvedSettings } from '../settings/settings.ts'

/**
 * The place of the backups, and one of them where the location names it: `FOLDER`, `FOLDER/<backup id>`, the same
 * below `s3://bucket`.
 *
 * @throws RmbgError USAGE when nobody says where
 */
export async function openVaultAt(
  context: Context,
  { backupTo }: ResolvedSettings,
  given: string | undefined,
): Promise<{ vault: Vault; backupId: string | undefined }> {
  const location = given ?? backupTo
  if (location === undefined) {
    throw new RmbgError('USAGE', 'No backup location given.', {
      hint: `Give a folder or s3://bucket/prefix, or set ${env('backupTo')}.`,
    })
  }
  const [, folder, backupId] =
    /^(.*?)\/?(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[0-9a-f]{6})\/?$/.exec(location) ?? []
  return { vault: await context.vault(backupId === undefined ? location : folder || '.'), backupId }
}

/** The backup that is named, or the newest. */
export async function chosenManifest(vault: Vault, backupId: string | undefined): Promise<Manifest> {
  const { listManifests, readManifest } = await import('../backup/manifest.ts')
  if (backupId !== undefined) return readManifest(vault, backupId)
  const newest = (await listManifests(vault)).at(-1)
  if (newest) return newest
  throw new RmbgError('NOT_FOUND', `There is no backup in ${vault.location}.`, {
    hint: 'rmbg backup --to takes one.',
  })
}
