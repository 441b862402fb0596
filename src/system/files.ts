/** Files on disk: written whole or not at all, flushed, tidied up, and what a disk refuses put into words. */
import { randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { RmbgError } from '../errors.ts'
import { shownPath, systemPath } from './file-names.ts'

const temporaryMark = '.rmbg-tmp-'

/** Path of a file that is not finished yet; it is moved to its own name within the folder. */
export const temporaryIn = (folder: string): string =>
  join(folder, `${temporaryMark}${randomBytes(8).toString('hex')}`)

/** No file takes longer than this to write: an unfinished one that is older was left by a killed process. */
const unfinishedMs = 24 * 60 * 60 * 1000

/** Whether a file is one of ours that was not finished. */
export const isTemporaryName = (name: string): boolean => name.includes(temporaryMark)

/** Whether a file or folder is not there, and not only out of reach. */
export const isAbsent = (cause: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')

/** Folders that this process has cleared of leftovers. */
const tidied = new Set<string>()

/** A file as it was when it was looked at. Any change of it, and another file in its place, is another version. */
export type FileVersion = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>

/** What lies at a path. A link is a link here, wherever it leads. */
export type Present =
  | { kind: 'file' | 'link' | 'folder' | 'special'; version: FileVersion }
  /** Also where the folder may not be looked into: then nothing can be written there either. */
  | { kind: 'nothing' }

export async function lookAt(path: string): Promise<Present> {
  const version = await lstat(systemPath(path), { bigint: true }).catch(() => undefined)
  if (!version) return { kind: 'nothing' }
  if (version.isFile()) return { kind: 'file', version }
  if (version.isSymbolicLink()) return { kind: 'link', version }
  return { kind: version.isDirectory() ? 'folder' : 'special', version }
}

const isSameVersion = (a: FileVersion, b: FileVersion): boolean =>
  a.dev === b.dev &&
  a.ino === b.ino &&
  a.size === b.size &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs

export interface WriteOptions {
  /** What the file is, for the error: `The cut-out x.png cannot be written to ...` */
  what?: string
  /** What the file may replace: anything (a link itself, never where it leads), nothing, or this very file. */
  over?: 'anything' | 'nothing' | FileVersion
  /** The time of its last change, in milliseconds since 1970; now, unless it is given. */
  changedAtMs?: number
  /** Who may do what; as the umask says, unless it is given. */
  mode?: number
}

/**
 * Writes a file that others see complete or not at all, and that a power failure cannot leave empty. Makes its folder
 * when that is missing, and removes what killed processes left there.
 *
 * @returns whether it was written; false where something is in its place that `over` does not name, which then stays
 * @throws RmbgError OUTPUT_UNWRITABLE
 */
export async function writeAtomically(
  path: string,
  bytes: Uint8Array,
  { what = 'file', over = 'anything', changedAtMs, mode }: WriteOptions = {},
): Promise<boolean> {
  const folder = dirname(path)
  const temporary = temporaryIn(folder)
  try {
    await mkdir(systemPath(folder), { recursive: true })
    if (!tidied.has(folder)) {
      tidied.add(folder)
      // A folder may be writable and not readable.
      await removeLeftovers(folder, (name) => name.startsWith(temporaryMark)).catch(() => {})
    }
    // "wx" refuses a link that somebody put there.
    const handle = await open(systemPath(temporary), 'wx', mode)
    let isNamed: boolean
    try {
      await handle.writeFile(bytes)
      await flush(handle)
      isNamed = await giveName(temporary, path, over)
      // Not before it has its name: an unfinished file is known by its age. Some disks keep no times.
      if (isNamed && changedAtMs !== undefined) await setTime(handle, changedAtMs).catch(() => {})
    } finally {
      await handle.close()
    }
    if (!isNamed) await rm(systemPath(temporary), { force: true })
    return isNamed
  } catch (cause) {
    await rm(systemPath(temporary), { force: true }).catch(() => {})
    throw new RmbgError(
      'OUTPUT_UNWRITABLE',
      `The ${what} ${shownPath(basename(path))} cannot be written to ${shownPath(folder)}: ${reasonOf(cause)}.`,
      { hint: 'Check that folder, or choose another one.', cause },
    )
  }
}

const setTime = (handle: FileHandle, ms: number): Promise<void> => handle.utimes(ms / 1000, ms / 1000)

/** @returns false where something is in the way that `over` does not name */
async function giveName(
  temporary: string,
  path: string,
  over: 'anything' | 'nothing' | FileVersion,
): Promise<boolean> {
  if (over === 'nothing') return giveFreeName(temporary, path)
  if (over !== 'anything') {
    const present = await lookAt(path)
    if (present.kind !== 'file' || !isSameVersion(present.version, over)) return false
  }
  await rename(systemPath(temporary), systemPath(path))
  return true
}

/** FAT and some network drives have no hard links. */
const withoutHardLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/** A link fails where a file is, even one that came a moment ago; a rename would replace it. */
async function giveFreeName(temporary: string, path: string): Promise<boolean> {
  try {
    await link(systemPath(temporary), systemPath(path)).catch(async (cause: NodeJS.ErrnoException) => {
      if (!withoutHardLinks.includes(cause.code ?? '')) throw cause
      // The name is taken first, by an empty file, which fails in the same way.
      await (await open(systemPath(path), 'wx')).close()
      await rename(systemPath(temporary), systemPath(path))
    })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  }
  await rm(systemPath(temporary), { force: true })
  return true
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
  for await (const { name } of await opendir(systemPath(folder))) {
    if (!isUnfinished(name)) continue
    const file = systemPath(join(folder, name))
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
