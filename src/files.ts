import { opendir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Nothing is being written for longer than this: what is older was left by a killed process. */
const unfinishedMs = 24 * 60 * 60 * 1000

/** Removes files of a folder that were begun a day ago and never got their name. */
export async function removeLeftovers(
  folder: string,
  isUnfinished: (name: string) => boolean = () => true,
): Promise<void> {
  for await (const { name } of await opendir(folder)) {
    if (!isUnfinished(name)) continue
    const file = join(folder, name)
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > unfinishedMs) await rm(file, { force: true })
  }
}
