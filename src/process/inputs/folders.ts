/** Searching folders: what is a picture by its name, what is left out, and what is told of it. */
import { type Dirent, lstat, type readdir, stat } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { join, normalize, relative, resolve, sep } from 'node:path'
import { finished } from 'node:stream/promises'
import type * as FastGlob from 'fast-glob'
import { pathOf, systemPath } from '../../system/file-names.ts'
import { isAbsent, isTemporaryName } from '../../system/files.ts'
import type { NoticeEvent } from '../events.ts'
import { openPaths, type PackedPaths, type Paths, packedPaths } from './paths.ts'

/** A folder is searched for these. */
export const imageExtensions = 'jpg jpeg jpe jfif png webp avif tif tiff gif heic heif hif jxl bmp dib'.split(
  ' ',
)
/** Pictures all the same, most of which nothing here can read. They are counted, so that nobody takes them for done. */
const otherExtensions = [
  ...'jp2 j2k jpf jpx jpm j2c jxr wdp hdp jxs psd psb xcf kra pdf eps ai svg svgz'.split(' '),
  ...'dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw x3f 3fr fff iiq rwl erf kdc dcr mos mrw raw'.split(
    ' ',
  ),
  ...'heics heifs avifs avci pjpeg pjp apng mpo jps insp tga pcx ico exr hdr dds qoi flif bpg'.split(' '),
  ...'pnm ppm pgm pbm pam pfm fits dcm djvu btf'.split(' '),
]
const hasImageExtension = new RegExp(`\\.(${imageExtensions.join('|')})$`, 'i')
/** Whether a folder is searched for files of this name. */
export const isImageName = (name: string): boolean => hasImageExtension.test(name)
const hasOtherExtension = new RegExp(`\\.(${otherExtensions.join('|')})$`, 'i')
const picturesBelow = `**/*.{${[...imageExtensions, ...otherExtensions].join(',')}}`

/** Folders that a NAS (Synology, QNAP), Windows, macOS or Linux keeps for itself: thumbnails, deleted files, snapshots. */
const keptBySystems = new Set([
  ...['@eadir', '#recycle', '#snapshot', '@tmp', '@sharebin'],
  ...['.@__thumb', '@recycle', '@recently-snapshot', '.@upload_cache', '@transcode'],
  ...['$recycle.bin', 'recycler', 'system volume information', 'found.000'],
  ...['__macosx', 'network trash folder', 'temporary items', 'lost+found'],
])

/** What searches have passed over. */
export interface LeftOut {
  /** How often, by the folder's name. */
  folders: Map<string, number>
  /** How many files, by extension in lower case. */
  kinds: Map<string, number>
  /** What was counted: inputs may overlap. */
  counted: Paths
}

export const nothingLeftOut = (): LeftOut => ({ folders: new Map(), kinds: new Map(), counted: openPaths() })

export interface SearchOptions {
  /** Globs for paths relative to `cwd`; a glob without a slash matches names in any folder. */
  ignore: readonly string[]
  cwd: string
  leftOut: LeftOut
}

/** The images below a folder, without hidden ones and linked folders. */
export async function searchFolder(folder: string, options: SearchOptions): Promise<PackedPaths> {
  const { files, closed } = await search(picturesBelow, folder, { ...options, isFolder: true })
  const names = sep === '/' ? files : files.map(normalize)
  for (const path of closed) names.push(relative(folder, path))
  return packedPaths(names, folder)
}

/** The files that a glob matches. A folder that it matches is left out, unless it is called like an image. */
export async function searchGlob(glob: string, options: SearchOptions): Promise<PackedPaths> {
  const { files, closed } = await search(glob, options.cwd, { ...options, isFolder: false })
  return packedPaths([...files.map((path) => resolve(options.cwd, path)), ...closed])
}

/**
 * @returns files, relative to `from`, and folders that cannot be read. Those are reported as failed: otherwise their
 *   pictures would be left out in silence
 */
async function search(
  pattern: string,
  from: string,
  { ignore, cwd, leftOut, isFolder }: SearchOptions & { isFolder: boolean },
): Promise<{ files: string[]; closed: string[] }> {
  const { default: fastGlob } = await import('fast-glob')
  const files: string[] = []
  const closed: string[] = []
  const count = (counts: Map<string, number>, key: string, path: string) => {
    if (leftOut.counted.add(resolve(from, path))) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const isSearched = (parent: string, name: string) => {
    if (keptBySystems.has(name.toLowerCase()) && !pattern.includes(name)) {
      count(leftOut.folders, name, join(parent, name))
      return false
    }
    // fast-glob would read hidden ones, and match nothing in them.
    return !isFolder || !name.startsWith('.')
  }
  const take = ({ name, path, dirent }: FastGlob.Entry) => {
    if (isTemporaryName(name) || (dirent.isDirectory() && !hasImageExtension.test(name))) return
    const kind = isFolder ? hasOtherExtension.exec(name)?.[1] : undefined
    if (kind === undefined) files.push(path)
    else count(leftOut.kinds, kind.toLowerCase(), path)
  }
  // Of a large folder, to let fast-glob look at each file takes twice as long and most of the memory.
  const takerIn = (parent: string) => {
    if (!isFolder || ignore.length > 0) return () => false
    const below = relative(from, parent)
    return (dirent: Dirent) => {
      const { name } = dirent
      if (!name.startsWith('.') && (hasImageExtension.test(name) || hasOtherExtension.test(name))) {
        take({ name, path: join(below, name), dirent })
      }
      return true
    }
  }
  const entries = fastGlob.stream(pattern, {
    fs: fileSystem({ isSearched, takerIn, onClosed: (path) => closed.push(path) }),
    // Paths are relative to it. In absolute ones fast-glob turns backslashes into slashes, and names may have backslashes.
    cwd: from,
    onlyFiles: false,
    followSymbolicLinks: false,
    caseSensitiveMatch: !isFolder,
    suppressErrors: true,
    objectMode: true,
    unique: false,
    ignore: ignore.flatMap((glob) => ignorePatterns(glob, fastGlob.escapePath(toSlashes(cwd)))),
  })
  // To iterate over them would take a promise each, and a third more time.
  await finished(entries.on('data', take))
  return { files, closed }
}

const isAscii = /^[\0-\x7f]*$/

type Done = (error: NodeJS.ErrnoException | null, answer?: unknown) => void

/** Names that are read at once. */
const namesAtOnce = 1000

interface Search {
  /** Whether a folder is not left out. */
  isSearched: (parent: string, name: string) => boolean
  /** For what is no folder: whether there is nothing more to do with it. */
  takerIn: (parent: string) => (entry: Dirent) => boolean
  /** Told of folders that cannot be read. */
  onClosed: (path: string) => void
}

/** The file system with names that need not be UTF-8, and without what the search does not need. */
function fileSystem({ isSearched, takerIn, onClosed }: Search): Partial<FastGlob.FileSystemAdapter> {
  // A buffer for each name of a large folder would take more memory than all else. These characters are its bytes.
  const named = (entry: Dirent) =>
    isAscii.test(entry.name)
      ? entry
      : Object.assign(entry, { name: pathOf(Buffer.from(entry.name, 'latin1')) })
  const entriesOf = async (folder: string): Promise<Dirent[]> => {
    const entries: Dirent[] = []
    const take = takerIn(folder)
    const options = { encoding: 'latin1', bufferSize: namesAtOnce } as const
    for await (const each of await opendir(systemPath(folder), options)) {
      const entry = named(each)
      const isLeft = entry.isDirectory() ? isSearched(folder, entry.name) : !take(entry)
      if (isLeft) entries.push(entry)
    }
    return entries
  }
  return {
    lstat: ((path: string, done: Done) => lstat(systemPath(path), done)) as typeof lstat,
    stat: ((path: string, done: Done) => stat(systemPath(path), done)) as typeof stat,
    readdir: ((path: string, _: unknown, done: Done) => {
      entriesOf(path).then(
        (entries) => done(null, entries),
        (error) => {
          if (!isAbsent(error)) onClosed(path)
          done(error)
        },
      )
    }) as typeof readdir,
  }
}

/**
 * Absolute, because fast-glob applies only absolute ignore patterns to absolute paths.
 *
 * @param folder that globs are relative to, escaped
 */
function ignorePatterns(glob: string, folder: string): string[] {
  return glob.includes('/') ? [`${folder}/${glob.replace(/^\.?\//, '')}`] : [`**/${glob}`]
}

/** A path with `/` on every system. */
export const toSlashes = (path: string): string => (sep === '/' ? path : path.replaceAll(sep, '/'))

/** At most one notice for folders and one for kinds. */
export function* leftOutNotices({ folders, kinds }: LeftOut): Generator<NoticeEvent> {
  if (folders.size > 0) {
    yield {
      type: 'notice',
      code: 'folders-left-out',
      folders: Object.fromEntries(folders),
      message: `Folders that systems keep for themselves were left out: ${counted(folders)}. Name one as an input to search it.`,
    }
  }
  const files = [...kinds.values()].reduce((sum, count) => sum + count, 0)
  if (files > 0) {
    yield {
      type: 'notice',
      code: 'kinds-left-out',
      files,
      kinds: Object.fromEntries(kinds),
      message: `${files} ${files === 1 ? 'picture' : 'pictures'} of kinds that are not read from folders ${files === 1 ? 'was' : 'were'} left out: ${counted(kinds)}.`,
    }
  }
}

/** `bmp (2), psd (1)`: the most frequent first. */
const counted = (counts: Map<string, number>): string =>
  [...counts]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([name, count]) => `${name} (${count})`)
    .join(', ')
