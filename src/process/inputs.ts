import { readdir } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, relative, resolve, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import fastGlob from 'fast-glob'
import { validate as isUuid } from 'uuid'
import { RmbgError } from '../errors.ts'
import { isTemporaryName } from '../system/files.ts'

/** One file to process. */
export interface Candidate {
  /** Absolute. */
  path: string
  /** As a person would type it: relative to the working directory if inside it. */
  shown: string
  /** The path below the common folder of all inputs, with `/`; its cut-out gets the same path below `--output`. */
  relative: string
  /** Present where the input is the original of this job, in the store; `path` is then the id too. */
  jobId?: string
}

export interface InputOptions {
  /** Globs, files and folders; `-` stands for a list on `stdin`. */
  patterns: readonly string[]
  /** A file that lists paths, separated by newlines or NULs. */
  fromFile?: string
  stdin: Readable
  /** Globs for paths relative to `cwd`; a glob without a slash matches names in any folder. */
  ignore: readonly string[]
  /** Whether the id of a job stands for its original in the store. */
  takesJobs: boolean
  /** Absolute folders that we write to; nothing in them is taken as input. */
  excludeFolders: readonly string[]
  cwd: string
}

/** A folder is searched for these. HEIC is among them so that a photographer gets an error instead of silence. */
const imageExtensions = 'jpg jpeg jpe jfif png webp avif tif tiff gif heic heif'.split(' ')
const imagesBelow = `**/*.{${imageExtensions.join(',')}}`
const hasImageExtension = new RegExp(`\\.(${imageExtensions.join('|')})$`, 'i')

/** The files that one argument or list entry stands for, and the folder that their relative paths start from. */
interface Found {
  base: string
  files: string[]
}

/**
 * Finds the files to process, each once, in a fixed order.
 *
 * An argument that exists is that file or folder, whatever characters its name has; any other argument is a glob. A
 * folder stands for the images below it, without hidden ones and linked folders. A glob and a list stand for exactly
 * what they name; a folder that a glob matches is left out, unless it is called like an image.
 *
 * @throws RmbgError NO_MATCH, which names the arguments that match nothing; USAGE when a list cannot be read, when there
 *   are no arguments, or when every input lies in a folder that we write to
 */
export async function collectInputs(options: InputOptions): Promise<Candidate[]> {
  const { patterns, fromFile, cwd } = options
  if (patterns.length === 0 && fromFile === undefined) {
    throw new RmbgError('USAGE', 'There is nothing to process.', {
      hint: "Name files, folders or globs: rmbg process photos, or rmbg process 'photos/**/*.jpg'.",
    })
  }
  const found: Found[] = []
  const jobIds = new Set<string>()
  const unmatched: string[] = []
  for (const pattern of patterns) {
    if (pattern === '-') {
      found.push(...(await listed(await text(options.stdin), options, jobIds)))
      continue
    }
    if (options.takesJobs && isUuid(pattern)) {
      jobIds.add(pattern.toLowerCase())
      continue
    }
    const matches = await argument(pattern, options)
    if (matches.files.length === 0) unmatched.push(pattern)
    found.push(matches)
  }
  if (fromFile !== undefined) {
    const content = await readFile(resolve(cwd, fromFile), 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new RmbgError('USAGE', `The list ${fromFile} cannot be read (${cause.code}).`, { cause })
    })
    found.push(...(await listed(content, options, jobIds)))
  }
  if (unmatched.length > 0) throw noMatch(unmatched)

  const paths = [...new Set(found.flatMap(({ files }) => files))]
  const taken = paths.filter((path) => !options.excludeFolders.some((folder) => isInside(path, folder)))
  const jobs = [...jobIds].map((id) => ({ path: id, shown: id, relative: id, jobId: id }))
  if (taken.length === 0) {
    if (jobs.length > 0) return jobs
    const names = [...patterns, ...(fromFile === undefined ? [] : [fromFile])]
    if (paths.length === 0) throw noMatch(names)
    throw new RmbgError(
      'USAGE',
      `All inputs lie in a folder that rmbg writes to (${shownFrom(cwd, dirname(paths[0]!))}).`,
      { hint: 'Choose an --output folder that does not hold the inputs.' },
    )
  }
  const base = commonFolder(found.filter(({ files }) => files.length > 0).map((each) => each.base))
  const files = taken
    .sort((a, b) => (a < b ? -1 : 1))
    .map((path) => ({ path, shown: shownFrom(cwd, path), relative: toSlashes(relative(base, path)) }))
  return [...files, ...jobs]
}

async function argument(pattern: string, options: InputOptions): Promise<Found> {
  const path = resolve(options.cwd, pattern)
  const existing = await stat(path).catch(() => undefined)
  if (existing?.isDirectory()) return folder(path, options)
  if (existing) return { base: dirname(path), files: [path] }
  // On Windows people type backslashes, which would escape characters in a glob.
  const glob = process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern
  const [task] = fastGlob.generateTasks([glob], { cwd: options.cwd })
  const files = await find(glob, options.cwd, options)
  return { base: resolve(options.cwd, task?.base ?? '.'), files }
}

async function folder(path: string, options: InputOptions): Promise<Found> {
  return { base: path, files: await find(imagesBelow, path, options) }
}

/** Entries of a list are paths, not globs. One that does not exist stays in, to be reported as failed. */
async function listed(content: string, options: InputOptions, jobIds: Set<string>): Promise<Found[]> {
  const entries = content.replace(/^\uFEFF/, '').split(content.includes('\0') ? '\0' : /\r?\n/)
  const found: Found[] = []
  for (const entry of entries) {
    if (entry.trim() === '') continue
    if (options.takesJobs && isUuid(entry.trim())) {
      jobIds.add(entry.trim().toLowerCase())
      continue
    }
    const path = resolve(options.cwd, entry)
    const existing = await stat(path).catch(() => undefined)
    found.push(existing?.isDirectory() ? await folder(path, options) : { base: dirname(path), files: [path] })
  }
  return found
}

async function find(pattern: string, from: string, options: InputOptions): Promise<string[]> {
  // Folders that may not be read are reported as failed; otherwise their pictures would be left out in silence.
  const closed: string[] = []
  const entries = await fastGlob(pattern, {
    fs: {
      readdir: ((path: string, how: { withFileTypes: true }, done: (...answer: unknown[]) => void) => {
        readdir(path, how, (error, entries) => {
          if (error?.code === 'EACCES' || error?.code === 'EPERM') closed.push(path)
          done(error, entries)
        })
      }) as typeof readdir,
    },
    cwd: from,
    onlyFiles: false,
    followSymbolicLinks: false,
    caseSensitiveMatch: pattern !== imagesBelow,
    suppressErrors: true,
    objectMode: true,
    ignore: options.ignore.flatMap((glob) => ignorePatterns(glob, options.cwd)),
  })
  const images = entries.filter(
    ({ name, dirent }) => !isTemporaryName(name) && (!dirent.isDirectory() || hasImageExtension.test(name)),
  )
  // Relative, because fast-glob turns backslashes in absolute paths into slashes, and names may have backslashes.
  return [...images.map(({ path }) => path), ...closed].map((path) => resolve(from, path))
}

/** Absolute, because fast-glob applies only absolute ignore patterns to absolute paths. */
function ignorePatterns(glob: string, cwd: string): string[] {
  const escaped = fastGlob.escapePath(toSlashes(cwd))
  return glob.includes('/') ? [`${escaped}/${glob.replace(/^\.?\//, '')}`] : [`**/${glob}`]
}

/** Whether a path is the folder or lies below it. */
function isInside(path: string, folder: string): boolean {
  const below = relative(folder, path)
  return below === '' || (!below.startsWith(`..${sep}`) && below !== '..' && resolve(folder, below) === path)
}

function commonFolder(folders: string[]): string {
  let common = folders[0]!
  for (const each of folders) while (!isInside(each, common)) common = dirname(common)
  return common
}

const toSlashes = (path: string): string => (sep === '/' ? path : path.replaceAll(sep, '/'))

const shownFrom = (cwd: string, path: string): string =>
  isInside(path, cwd) ? relative(cwd, path) || '.' : path

function noMatch(patterns: string[]): RmbgError {
  return new RmbgError('NO_MATCH', `No image matches ${patterns.join(', ')}.`, {
    hint: `Check the spelling. Folders are searched for ${imageExtensions.join(', ')} files.`,
  })
}
