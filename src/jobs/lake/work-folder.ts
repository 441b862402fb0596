import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RmbgError } from '../../errors.ts'
import { diskProblem } from '../../system/files.ts'

/**
 * Runs an action with a folder of its own in that of the system for temporary files, which only this user can read and
 * which is gone afterwards.
 *
 * @throws RmbgError STORE_FULL or STORE_DENIED when there can be none
 */
export async function inWorkFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-parquet-')).catch((cause) =>
    Promise.reject(unmade(cause)),
  )
  // A second Ctrl-C ends the process at once.
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    return await action(folder)
  } finally {
    process.off('exit', remove)
    await rm(folder, { recursive: true, force: true })
  }
}

function unmade(cause: NodeJS.ErrnoException): RmbgError {
  const disk = diskProblem(cause, tmpdir())
  const sentence = disk?.sentence ?? `${tmpdir()} cannot be written (${cause.code}).`
  return new RmbgError(disk?.problem === 'full' ? 'STORE_FULL' : 'STORE_DENIED', sentence, {
    hint: 'Make room there, or set TMPDIR to another folder.',
    cause,
  })
}
