import { basename } from 'node:path'
import { watch } from 'chokidar'
import { RmbgError } from '../../errors.ts'

export interface ChangeOptions {
  /** Look at the folders again and again, instead of being told by the system: network folders tell nothing. */
  poll: boolean
  /** Absolute folders of ours in which nothing is watched. */
  excludeFolders: readonly string[]
  /** Told the absolute path of each file that has come or was changed. */
  onChange: (path: string) => void
  /** Told once, when nothing can be watched any more. */
  onError: (error: RmbgError) => void
}

const pollMs = 2000

/**
 * Watches folders with all that is below them. What is there already is not told.
 *
 * @param folders absolute
 * @returns ends the watching; resolved when it has begun, so that nothing that comes later is missed
 */
export async function watchChanges(
  folders: readonly string[],
  { poll, excludeFolders, onChange, onError }: ChangeOptions,
): Promise<() => Promise<void>> {
  const watcher = watch([...folders], {
    ignoreInitial: true,
    followSymlinks: false,
    usePolling: poll,
    interval: pollMs,
    binaryInterval: pollMs,
    ignorePermissionErrors: true,
    ignored: (path) => excludeFolders.includes(path) || (isHidden(path) && !folders.includes(path)),
  })
  watcher.on('add', onChange).on('change', onChange)
  watcher.on('error', (cause) => onError(unwatchable(cause)))
  await new Promise<void>((resolve) => watcher.once('ready', resolve))
  return () => watcher.close()
}

/** As a search of folders passes them over. What is in a hidden folder is not even looked for. */
const isHidden = (path: string): boolean => basename(path).startsWith('.')

function unwatchable(cause: unknown): RmbgError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EMFILE') {
    return new RmbgError('USAGE', `The system does not watch so many folders (${code}).`, {
      hint: 'Raise fs.inotify.max_user_watches, or add --poll.',
      cause,
    })
  }
  return new RmbgError('INPUT_UNREADABLE', `A folder can no longer be watched (${code ?? message}).`, {
    hint: 'Is it still there? Start the command again, with --poll if it is on another machine.',
    cause,
  })
}
