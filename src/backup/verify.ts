import { isIntact } from '../store/verified.ts'
import type { Manifest } from './manifest.ts'
import { listedObjects, objectsFile } from './objects.ts'
import type { Vault } from './vault.ts'

export interface VerifiedBackup {
  backupId: string
  /** In one sentence each; none when the backup is intact. */
  damages: string[]
  objectsRead: number
}

/** Reads everything a backup holds and compares it with its checksums. */
export async function verifyBackup(
  vault: Vault,
  { backupId, database, objects }: Manifest,
  { signal, onObject }: { signal: AbortSignal; onObject: () => void },
): Promise<VerifiedBackup> {
  const damages: string[] = []
  let objectsRead = 0
  const compare = async (key: string, sha256: string, what: string): Promise<boolean> => {
    if (!(await vault.store.head(key, signal))) damages.push(`${what} is missing.`)
    else if (await isIntact(vault.store, key, sha256, signal)) return true
    else damages.push(`${what} is not what was written.`)
    return false
  }
  await compare(`${backupId}/${database.file}`, database.sha256, 'The dump')
  if (objects.copied) {
    const list = `${backupId}/${objectsFile}`
    if (await compare(list, objects.sha256, 'The list of objects')) {
      for await (const { key, sha256 } of listedObjects(vault, backupId)) {
        await compare(`objects/${key}`, sha256, `The object ${key}`)
        objectsRead++
        onObject()
      }
    }
  }
  return { backupId, damages, objectsRead }
}
