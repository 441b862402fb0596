/** Files on disk: written whole or not at all, flushed, tidied up, and what a disk refuses put into words. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { RmbgError } from '../errors.ts'

const temporaryMark = '.rmbg-tmp-'

/** No file takes longer than this to write: an unfinished one that is older was left by a killed process. */
const unfinishedMs = 24 * 60 * 60 * 1000

/** Whether a file is one of ours that was not finished. */
export const isTemporaryName = (name: string): boolean => name.includes(temporaryMark)

/** Folders that this process has cleared of leftovers. */
const tidied = new Set<string>()

/**
 * Writes a file that others see complete or not at all, and that a power failure cannot leave empty. Makes its folder
 * when that is missing, and removes what killed processes left there.
 *
 * @param what the file is, for the error: `The cut-out x.png cannot be written to ...`
 * @throws RmbgError OUTPUT_UNWRITABLE
 */
export async function writeAtomically(path: string, bytes: Uint8Array, what = 'file'): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `${temporaryMark}${randomBytes(8).toString('hex')}`)
  try {
    await mkdir(folder, { recursive: true })
    if (!tidied.has(folder)) {
      tidied.add(folder)
      // A folder may be writable and not readable.
      await removeLeftovers(folder, (name) => name.startsWith(temporaryMark)).catch(() => {})
    }
    // "wx" refuses a link that somebody put there.
    const handle = await open(temporary, 'wx')
    try {
      await handle.writeFile(bytes)
      await flush(handle)
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw new RmbgError(
      'OUTPUT_UNWRITABLE',
      `The ${what} ${basename(path)} cannot be written to ${folder}: ${reasonOf(cause)}.`,
      { hint: 'Check that folder, or choose another one.', cause },
    )
  }
}

/** Brings a file's content, or the names in a folder, to disk. */
export async function sync(path: string): Promise<void> {
  // Windows syncs no folder, and no file that is open for reading only.
  const isWindows = process.platform === 'win32'
  if (isWindows && (await stat(path)).isDirectory()) return
  const handle = await open(path, isWindows ? 'r+' : 'r')
  try {
    await flush(handle)
  } finally {
    await handle.close()
  }
}

/** What file systems say that have no fsync, such as some of FUSE. */
const cannotFlush = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/** Brings what was written to disk. Where a file system cannot be asked for that, it is as safe as it can be. */
export async function flush(handle: FileHandle): Promise<void> {
  try {
    await handle.sync()
  } catch (error) {
    if (!cannotFlush.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** Removes files that were begun in a folder more than a day ago and never got their name. */
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

const problems: Record<string, 'full' | 'denied'> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
}

/**
 * Whether a disk has no room, or may not be written to. Both are for a person to mend, so both have their sentence.
 *
 * @param place what could not be written, as in `The disk of PLACE is full.`
 * @returns undefined for everything else that a disk may report
 */
export function diskProblem(
  cause: unknown,
  place: string,
): { problem: 'full' | 'denied'; sentence: string } | undefined {
  const { code = '' } = cause as NodeJS.ErrnoException
  const problem = problems[code]
  if (problem === 'full') return { problem, sentence: `The disk of ${place} is full.` }
  if (problem === 'denied') {
    return { problem, sentence: `There is no permission to write to ${place} (${code}).` }
  }
  return undefined
}

const reasons: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a file stands where a folder is needed',
  EEXIST: 'a file stands where a folder is needed',
  EISDIR: 'a folder stands in its place',
}

function reasonOf(cause: unknown): string {
  const { code = '', message } = cause as NodeJS.ErrnoException
  return reasons[code] ?? message
}
