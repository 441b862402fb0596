/** The user's own configuration file. It may name servers and secrets, so nobody else may write it. */
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import envPaths from 'env-paths'
import { RmbgError } from '../errors.ts'

/** Such as `~/.config/rmbg/config.json`. */
export const userFile = (): string => join(envPaths('rmbg', { suffix: '' }).config, 'config.json')

/**
 * @throws RmbgError CONFIG_INVALID when somebody else may write the file, or replace it in its folder
 */
export async function assertPrivate(file: string): Promise<void> {
  if (process.getuid === undefined) return // Windows has no such modes
  for (const path of [file, dirname(file)]) {
    const found = await stat(path).catch(() => undefined)
    if (!found) return
    const reason = foreignWriter(found, process.getuid())
    if (reason === undefined) continue
    throw new RmbgError('CONFIG_INVALID', `${path} ${reason}, so its settings are not used.`, {
      hint: `Check what ${file} says. Then run chmod go-w ${path}, or chown it to yourself.`,
    })
  }
}

function foreignWriter({ uid, mode }: Stats, user: number): string | undefined {
  if (uid !== user && uid !== 0) return 'belongs to another user'
  return (mode & 0o022) === 0 ? undefined : 'can be written by others'
}
