import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import type { Readable } from 'node:stream'
import fastGlob from 'fast-glob'
import { validate as isUuid } from 'uuid'
import { RmbgError } from '../errors.ts'
import { isText, shownPath, systemPath, unshownPath } from '../system/file-names.ts'
import type { NoticeEvent } from './events.ts'
import {
  imageExtensions,
  leftOutNotices,
  nothingLeftOut,
  searchFolder,
  searchGlob,
  toSlashes,
} from './inputs/folders.ts'
import { type ListOrigin, listEntries, notAList } from './inputs/lists.ts'
import { openPaths } from './inputs/paths.ts'

/** One file to process. */
export interface Candidate {
  /** Absolute, and no two candidates have the same. It may hold bytes that are not UTF-8: open it by `systemPath`. */
  path: string
  /** As a person would type it: relative to the working directory if inside it. */
  shown: string
  /** The path below the common folder of all inputs, with `/`; its cut-out gets the same path below `--output`. */
  relative: string
  /** Present where the input is the original of this job, in the store; `path` is then the id too. */
  jobId?: string
}

/** Candidates are made as they are asked for: of a million, none is kept. */
export interface Candidates extends Iterable<Candidate> {
  readonly length: number
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
  /** Folders may hold no images yet; without it, inputs that match nothing are refused. */
  mayBeEmpty?: boolean
  /** Absolute folders that we write to; nothing in them is taken as input. */
  excludeFolders: readonly string[]
  cwd: string
  /** Told once of folders and once of pictures that were left out. */
  onNotice: (notice: NoticeEvent) => void
}

/**
 * Finds the files to process, each once, in a fixed order: that of the arguments and lists, and by name within a folder
 * or glob.
 *
 * An argument that exists is that file or folder, whatever characters its name has; any other argument is a glob. A
 * folder stands for the images below it, without hidden ones and linked folders. A glob stands for exactly what it
 * matches; a folder that it matches is left out, unless it is called like an image. An entry of a list is a file and
 * nothing else: it is not looked at here, so that one which is missing, or a folder, fails alone and by name.
 *
 * @throws RmbgError NO_MATCH, which names the arguments that match nothing; USAGE when a list cannot be read or is none,
 *   when there are no arguments, or when every input lies in a folder that we write to
 */
export async function collectInputs(options: InputOptions): Promise<Candidates> {
  const { patterns, fromFile, cwd } = options
  if (patterns.length === 0 && fromFile === undefined) {
    throw new RmbgError('USAGE', 'There is nothing to process.', {
      hint: "Name files, folders or globs: rmbg process photos, or rmbg process 'photos/**/*.jpg'.",
    })
  }
  const collection = openCollection(options)
  const unmatched: string[] = []
  for (const pattern of patterns) {
    if (pattern === '-') {
      await addList(options.stdin, { shown: 'standard input', isStandardInput: true }, collection)
    } else if (options.takesJobs && isUuid(pattern)) {
      collection.addJob(pattern)
    } else if (!(await addArgument(pattern, collection))) {
      unmatched.push(pattern)
    }
  }
  if (fromFile !== undefined) {
    const origin = { shown: shownPath(fromFile), isStandardInput: false }
    await addList(createReadStream(systemPath(resolve(cwd, fromFile))), origin, collection)
  }
  for (const notice of leftOutNotices(collection.leftOut)) options.onNotice(notice)
  if (unmatched.length > 0 && !options.mayBeEmpty) throw noMatch(unmatched)
  return collection.candidates([...patterns, ...(fromFile === undefined ? [] : [fromFile])])
}

type Collection = ReturnType<typeof openCollection>

/** What was found so far. */
function openCollection(options: InputOptions) {
  const { cwd, excludeFolders } = options
  const paths = openPaths()
  const leftOut = nothingLeftOut()
  /** The common folder of all inputs. */
  let base: string | undefined
  /** A file of ours that was found among them. */
  let own: string | undefined
  const candidate = (path: string): Candidate =>
    isAbsolute(path)
      ? {
          path,
          shown: shownFrom(cwd, path),
          relative: toSlashes(shownPath(relative(base ?? cwd, path))),
        }
      : { path, shown: path, relative: path, jobId: path }
  return {
    options,
    leftOut,
    /** @param from the folder that its path below `--output` starts from */
    addFile(path: string, from = dirname(path)): void {
      if (from !== base) base = base === undefined ? from : commonFolder(base, from)
      if (excludeFolders.some((folder) => isInside(path, folder))) own = path
      else paths.add(path)
    },
    addJob(id: string): void {
      paths.add(id.toLowerCase())
    },
    /** @param names of all inputs, for the error */
    candidates(names: string[]): Candidates {
      if (paths.length === 0 && !options.mayBeEmpty)
        throw own === undefined ? noMatch(names) : onlyOurs(shownFrom(cwd, dirname(own)))
      return {
        length: paths.length,
        *[Symbol.iterator]() {
          for (const path of paths) yield candidate(path)
        },
      }
    },
  }
}

/** @returns whether it stands for anything */
async function addArgument(pattern: string, collection: Collection): Promise<boolean> {
  const { cwd } = collection.options
  const path = await typedPath(pattern, cwd)
  const existing = await stat(systemPath(path)).catch(() => undefined)
  if (existing && !existing.isDirectory()) {
    collection.addFile(path)
    return true
  }
  const { base, files } = existing ? await inFolder(path, collection) : await matched(pattern, collection)
  for (const file of files) collection.addFile(file, base)
  return files.length > 0
}

/** Files, and the folder that their paths below `--output` start from. */
interface Found {
  base: string
  files: string[]
}

async function inFolder(path: string, { options: { cwd, ignore }, leftOut }: Collection): Promise<Found> {
  return { base: path, files: await searchFolder(path, { cwd, ignore, leftOut }) }
}

async function matched(pattern: string, { options: { cwd, ignore }, leftOut }: Collection): Promise<Found> {
  // On Windows people type backslashes, which would escape characters in a glob.
  const glob = process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern
  const [task] = fastGlob.generateTasks([glob], { cwd })
  return { base: resolve(cwd, task?.base ?? '.'), files: await searchGlob(glob, { cwd, ignore, leftOut }) }
}

/** Names that are not UTF-8 after which a list in which none of them exists is given up. */
const maxStrangeNames = 1000

async function addList(content: Readable, origin: ListOrigin, collection: Collection): Promise<void> {
  const { cwd, takesJobs } = collection.options
  let strange = 0
  let isKnown = false
  const assertText = () => {
    if (strange > 0 && !isKnown)
      throw notAList(origin, 'it is not UTF-8, and no file has the names that its bytes would be')
  }
  try {
    for await (const entries of listEntries(content, origin)) {
      for (const entry of entries) {
        if (takesJobs && isUuid(entry.trim())) {
          collection.addJob(entry.trim())
          continue
        }
        const path = await typedPath(entry, cwd)
        collection.addFile(path)
        if (isText(entry)) continue
        strange++
        isKnown ||= await exists(path)
        if (strange >= maxStrangeNames) assertText()
      }
    }
  } catch (cause) {
    if (cause instanceof RmbgError) throw cause
    const { code, message } = cause as NodeJS.ErrnoException
    throw new RmbgError('USAGE', `The list ${origin.shown} cannot be read (${code ?? message}).`, { cause })
  }
  assertText()
}

/** Names as we show them (`caf%E9.jpg`) come back: in lists made of our log, and from people who read one. */
async function typedPath(typed: string, cwd: string): Promise<string> {
  const path = resolve(cwd, typed)
  const other = unshownPath(typed)
  if (other === undefined || (await exists(path))) return path
  return (await exists(resolve(cwd, other))) ? resolve(cwd, other) : path
}

const exists = (path: string): Promise<boolean> =>
  stat(systemPath(path)).then(
    () => true,
    () => false,
  )

/** Whether a path is the folder or lies below it. */
function isInside(path: string, folder: string): boolean {
  const below = relative(folder, path)
  return below === '' || (!below.startsWith(`..${sep}`) && below !== '..' && resolve(folder, below) === path)
}

const shownFrom = (cwd: string, path: string): string =>
  shownPath(isInside(path, cwd) ? relative(cwd, path) || '.' : path)

function commonFolder(one: string, other: string): string {
  let common = one
  while (!isInside(other, common)) common = dirname(common)
  return common
}

const onlyOurs = (folder: string): RmbgError =>
  new RmbgError('USAGE', `All inputs lie in a folder that rmbg writes to (${folder}).`, {
    hint: 'Choose an --output folder that does not hold the inputs.',
  })

const noMatch = (patterns: string[]): RmbgError =>
  new RmbgError('NO_MATCH', `No image matches ${patterns.map(shownPath).join(', ')}.`, {
    hint: `Check the spelling. Folders are searched for ${imageExtensions.join(', ')} files.`,
  })
