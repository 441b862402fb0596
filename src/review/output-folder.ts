/** The local cut-outs of an output folder: where the old version lies, the new one comes into its place. */
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CompletedJob } from '../database/jobs.ts'
import type { ObjectStore } from '../store/contract.ts'
import { readVerified } from '../store/verified.ts'
import { lookAt, writeAtomically } from '../system/files.ts'
import { sha256OfFile } from '../system/sha256.ts'

/** As much of a job as its local file is known by. */
export type LocalCutout = Pick<
  CompletedJob,
  'processedPath' | 'processedBytes' | 'processedSha256' | 'completedAtMs'
>

/**
 * Replaces every file of a folder that is, byte for byte, the cut-out of one of these versions by that of another.
 * What anybody has changed stays.
 *
 * @param folder absolute
 * @returns the files that hold the new cut-out now, as absolute paths
 * @throws RmbgError OUTPUT_UNWRITABLE, or what the store throws
 */
export async function replaceInFolder(
  folder: string,
  store: ObjectStore,
  { old, current }: { old: readonly LocalCutout[]; current: LocalCutout },
): Promise<string[]> {
  if (current.processedPath === null) return []
  let bytes: Buffer | undefined
  const replaced: string[] = []
  for await (const path of filesOf(folder)) {
    const size = await stat(path).then(
      (found) => found.size,
      () => -1,
    )
    if (!old.some(({ processedBytes }) => processedBytes === size)) continue
    const present = await lookAt(path)
    const sha256 = await sha256OfFile(path).catch(() => undefined)
    const isOld = old.some(({ processedSha256 }) => processedSha256 === sha256)
    if (present.kind !== 'file' || !isOld || extensionOf(path) !== extensionOf(current.processedPath))
      continue
    bytes ??= await readVerified(store, current.processedPath, current.processedSha256)
    const options = { what: 'cut-out', over: present.version, changedAtMs: current.completedAtMs }
    if (await writeAtomically(path, bytes, options)) replaced.push(path)
  }
  return replaced
}

const extensionOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1).toLowerCase()

async function* filesOf(folder: string): AsyncGenerator<string> {
  const entries = await opendir(folder, { recursive: true }).catch(() => undefined)
  if (!entries) return
  for await (const entry of entries) if (entry.isFile()) yield join(entry.parentPath, entry.name)
}
