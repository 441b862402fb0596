import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Files below a folder. */
export interface FolderSize {
  files: number
  /** Sum of their lengths. */
  bytes: number
}

/**
 * Counts the files below a folder, without following links. What may not be read, or vanishes meanwhile, is left out.
 *
 * @returns nothing of what is not there
 */
export async function folderSize(folder: string): Promise<FolderSize> {
  const size: FolderSize = { files: 0, bytes: 0 }
  const waiting = [folder]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    try {
      for await (const entry of await opendir(next)) {
        const path = join(next, entry.name)
        if (entry.isDirectory()) waiting.push(path)
        else if (entry.isFile()) {
          const file = await stat(path).catch(() => undefined)
          size.files += file ? 1 : 0
          size.bytes += file?.size ?? 0
        }
      }
    } catch {
      // It is not there, or not for us.
    }
  }
  return size
}
