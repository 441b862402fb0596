import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, extname, isAbsolute, relative, resolve, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { validate as isUuid } from 'uuid'
import { RmbgError } from '../errors.ts'
import { isText, shownPath, systemPath, unshownPath } from '../system/file-names.ts'
import type { NoticeEvent } from './events.ts'
import { isAddress, isWebAddress, shownAddress } from './inputs/addresses.ts'
import { kindOf } from './inputs/beginnings.ts'
import {
  imageExtensions,
  leftOutNotices,
  nothingLeftOut,
  searchFolder,
  searchGlob,
  toSlashes,
} from './inputs/folders.ts'
import { type ListOrigin, listEntries, notAList, startingWith, withWholeHead } from './inputs/lists.ts'
import { openPaths, type PackedPaths, type Paths } from './inputs/paths.ts'
import type { Listing, RemoteInputs } from './inputs/remote.ts'
import { assertAddress, type SourceOptions } from './inputs/sources.ts'
import type { Source } from './source.ts'

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
  /** How the log knows it, where that is not its path. */
  loggedPath?: string
  /** Present where it is no file of this machine; `path` may then hold credentials, and is shown to nobody. */
  inspect?: () => Promise<Source>
}

/** Candidates are made as they are asked for: of a million, none is kept. */
export interface Candidates extends Iterable<Candidate> {
  /** Of those that are known; more may come. */
  readonly length: number
  /** More of them, as they are found; they come once, in no order that is promised. Absent: all are known. */
  readonly more?: AsyncIterable<readonly Candidate[]>
}

/** The same candidates, and others that come. */
export const withMore = (known: Candidates, more: AsyncIterable<readonly Candidate[]>): Candidates => ({
  length: known.length,
  more,
  [Symbol.iterator]: () => known[Symbol.iterator](),
})

export interface InputOptions {
  /** Globs, files and folders; `-` stands for a list on `stdin`. */
  patterns: readonly string[]
  /** A file that lists paths, separated by newlines or NULs. */
  fromFile?: string
  /** A manifest, which names addresses: a file, `s3://bucket/key`, or `-` for `stdin`. */
  manifest?: string
  /** Buckets and manifests are read as their pictures are taken, and not to their end before that. */
  isStreamed?: boolean
  stdin: Readable
  /** Globs for paths relative to `cwd`; a glob without a slash matches names in any folder. */
  ignore: readonly string[]
  /** Whether the id of a job stands for its original in the store. */
  takesJobs: boolean
  /** Folders may hold no images yet; without it, inputs that match nothing are refused. */
  mayBeEmpty?: boolean
  /** Absolute folders of our own; nothing in them is taken as input. */
  excludeFolders: readonly string[]
  /**
   * Absolute folders that cut-outs are written to. What lies in one is not taken as input, unless it was the folder to
   * search and cut-outs have names of their own there, or all inputs are files that were named there.
   */
  outputFolders?: readonly string[]
  /** Absolute folders that masks are written to. What is found in one is not taken as input. */
  maskFolders?: readonly string[]
  /** How the names of cut-outs end, where they lie among the inputs: `-cutout.png`. No such file of an input is one. */
  cutoutEnding?: string | undefined
  /** Takes addresses. Without it, they are refused. */
  remote?: RemoteInputs
  /** Takes a picture that comes from standard input. Without it, such a picture is refused. */
  pictureOnStdin?: PictureOnStdin
  cwd: string
  /** Told once of folders and once of pictures that were left out. */
  onNotice: (notice: NoticeEvent) => void
}

interface PictureOnStdin {
  /** What the picture is called, in the log too. */
  name: string
  /** Brings it to disk. @returns the absolute path */
  keep: (content: AsyncIterable<Uint8Array>) => Promise<string>
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
  const { patterns, fromFile, manifest, cwd } = options
  assertSomeInput(options)
  const collection = openCollection({ ...options, ...foldersOf(options) })
  const unmatched: string[] = []
  const buckets: string[] = []
  for (const pattern of patterns) {
    if (pattern === '-') {
      await addStandardInput(collection)
    } else if (isAddress(pattern)) {
      if (isWebAddress(pattern)) addWebAddress(pattern, collection)
      else buckets.push(pattern)
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
  if (buckets.length > 0 || manifest !== undefined) {
    const sources = { addresses: buckets, manifest, ignore: options.ignore }
    unmatched.push(...(await addSources(sources, collection)))
  }
  if (unmatched.length > 0 && !options.mayBeEmpty) throw noMatch(unmatched)
  return collection.candidates([...patterns, ...[fromFile, manifest].filter((list) => list !== undefined)])
}

/** @throws RmbgError USAGE */
function assertSomeInput({ patterns, fromFile, manifest }: InputOptions): void {
  if (patterns.length === 0 && fromFile === undefined && manifest === undefined) {
    throw new RmbgError('USAGE', 'There is nothing to process.', {
      hint: "Name files, folders or globs: rmbg process photos, or rmbg process 'photos/**/*.jpg'.",
    })
  }
  if (manifest !== '-' || !patterns.includes('-')) return
  throw new RmbgError('USAGE', 'The manifest and another input both want standard input.', {
    hint: 'Save one of them as a file.',
  })
}

type Collection = ReturnType<typeof openCollection>

/** What buckets and manifests hold: all of it, or what comes, which is at least one. */
interface Elsewhere {
  listing?: Listing
  more?: AsyncIterable<readonly Candidate[]>
}

/** Folders of our own, resolved. */
function foldersOf({ excludeFolders, outputFolders = [], maskFolders = [] }: InputOptions) {
  const resolved = (folders: readonly string[]) => folders.map((folder) => resolve(folder))
  return {
    excludeFolders: resolved(excludeFolders),
    outputFolders: resolved(outputFolders),
    maskFolders: resolved(maskFolders),
  }
}

/** What was found so far. */
function openCollection(options: InputOptions) {
  const { cwd, excludeFolders, outputFolders = [], maskFolders = [], cutoutEnding } = options
  const paths = openPaths()
  const leftOut = nothingLeftOut()
  /** The common folder of all inputs. */
  let base: string | undefined
  /** A file of ours that was found among them. */
  let own: string | undefined
  /** Those of which more is known than their path. */
  const known = new Map<string, Candidate>()
  const elsewhere: Elsewhere = {}
  /** Files that were named, and lie in an output folder. */
  const namedInOutput = openPaths()
  let isSearchedInPlace = false
  const widenTo = (from: string): void => {
    if (from !== base) base = base === undefined ? from : commonFolder(base, from)
  }
  const add = (path: string, from: string, into: Paths): void => {
    widenTo(from)
    if (isIn(excludeFolders, path)) own = path
    else into.add(path)
  }
  const isOutput = (path: string) => isIn(outputFolders, path) || isIn(maskFolders, path)
  const ours = [...excludeFolders, ...outputFolders, ...maskFolders]
  const mayHoldOurs = (folder: string) =>
    cutoutEnding !== undefined || ours.some((each) => isNested(each, folder))
  return {
    options,
    leftOut,
    elsewhere,
    /** A file that was named. */
    addFile(path: string): void {
      add(path, dirname(path), isOutput(path) ? namedInOutput : paths)
    },
    /** Files that were found. @param base the folder that their paths below `--output` start from */
    addFound({ base: from, files }: Found): void {
      if (files.length > 0 && !mayHoldOurs(from)) {
        widenTo(from)
        paths.addAll(files)
        return
      }
      const cutouts = cutoutEnding === undefined ? undefined : namesOfCutouts(files, cutoutEnding)
      const isInPlace = cutouts !== undefined && isIn(outputFolders, from) && !isIn(maskFolders, from)
      isSearchedInPlace ||= isInPlace
      for (const path of files) {
        if (cutouts?.has(path)) continue
        if (isInPlace ? isIn(maskFolders, path) : isOutput(path)) own = path
        else add(path, from, paths)
      }
    },
    addPicture(path: string, name: string): void {
      known.set(path, { path, shown: name, relative: basename(name), loggedPath: name })
      paths.add(path)
    },
    addAddress(address: string, typed?: Candidate): void {
      if (typed) known.set(address, typed)
      paths.add(address)
    },
    addJob(id: string): void {
      paths.add(id.toLowerCase())
    },
    /** @param names of all inputs, for the error */
    candidates(names: string[]): Candidates {
      // Beside inputs that lie elsewhere, what is in the output folder is what was put there.
      if (paths.length === 0 || isSearchedInPlace) for (const path of namedInOutput) paths.add(path)
      const { listing = [], more } = elsewhere
      const length = paths.length + listing.length
      if (length === 0 && !more && !options.mayBeEmpty)
        throw own === undefined ? noMatch(names) : onlyOurs(shownFrom(cwd, dirname(own)))
      return {
        length,
        ...(more && { more }),
        *[Symbol.iterator]() {
          for (const path of paths) yield known.get(path) ?? candidateOf(path, { cwd, base: base ?? cwd })
          yield* listing
        },
      }
    },
  }
}

const isIn = (folders: readonly string[], path: string): boolean =>
  folders.some((folder) => isInside(path, folder))

/** Whether one folder is or holds the other. */
const isNested = (one: string, other: string): boolean => isInside(one, other) || isInside(other, one)

/** @returns whether it stands for anything */
async function addArgument(pattern: string, collection: Collection): Promise<boolean> {
  const { cwd } = collection.options
  const path = await typedPath(pattern, cwd)
  const existing = await stat(systemPath(path)).catch(() => undefined)
  if (existing && !existing.isDirectory()) {
    collection.addFile(path)
    return true
  }
  const found = existing ? await inFolder(path, collection) : await matched(pattern, collection)
  collection.addFound(found)
  return found.files.length > 0
}

function addWebAddress(address: string, collection: Collection): void {
  assertAddress(address)
  collection.addAddress(address, remoteOf(collection).webCandidate(address))
}

function remoteOf({ options: { remote } }: Collection): RemoteInputs {
  if (remote) return remote
  throw new RmbgError('USAGE', 'Addresses are inputs of rmbg process only.')
}

/** @returns the addresses that stand for nothing */
async function addSources(sources: SourceOptions, collection: Collection): Promise<string[]> {
  const remote = remoteOf(collection)
  for (const address of sources.addresses) assertAddress(address)
  const named = [...sources.addresses, ...(sources.manifest === undefined ? [] : [sources.manifest])]
  if (!collection.options.isStreamed) {
    const listing = await remote.listing(sources)
    collection.elsewhere.listing = listing
    return named.filter((_, index) => !listing.perSource[index])
  }
  const unmatched: string[] = []
  if (named.length > 1) {
    for (const address of sources.addresses) {
      const alone = { addresses: [address], ignore: sources.ignore }
      if (!(await begun(remote.stream(alone), { isClosed: true }))) unmatched.push(address)
    }
    if (unmatched.length > 0) return unmatched
  }
  const more = await begun(remote.stream(sources))
  if (!more) return named
  collection.elsewhere.more = more
  return []
}

/** Reads on until there is something. @returns the same stream, or undefined where there is nothing in it */
async function begun(
  stream: AsyncGenerator<Candidate[]>,
  { isClosed = false } = {},
): Promise<AsyncIterable<Candidate[]> | undefined> {
  for (;;) {
    const { value: first, done } = await stream.next()
    if (done) return undefined
    if (first.length === 0) continue
    const rest = async function* () {
      yield first
      yield* stream
    }
    if (isClosed) await stream.return(undefined)
    return rest()
  }
}

/** @param base the common folder of all inputs */
function candidateOf(path: string, { cwd, base }: { cwd: string; base: string }): Candidate {
  if (isAddress(path)) return listedAddress(path)
  if (!isAbsolute(path)) return { path, shown: path, relative: path, jobId: path }
  const below = wayBelow(base, path) ?? relative(base, path)
  return { path, shown: shownFrom(cwd, path), relative: toSlashes(shownPath(below)) }
}

/** A list may have come with somebody else's files, and must not make this machine ask servers. */
function listedAddress(address: string): Candidate {
  const shown = shownAddress(address)
  const inspect = async () => {
    throw new RmbgError('INPUT_UNSUPPORTED', 'Addresses are not taken from lists.', {
      hint: `If you trust the list, name them as arguments: xargs rmbg process < list.txt`,
    })
  }
  return { path: address, shown, loggedPath: shown, relative: shown, inspect }
}

/** How cut-outs beside these files are called, by the rules of `outputs.ts`. */
function namesOfCutouts(files: Iterable<string>, ending: string): Paths {
  const names = openPaths()
  for (const file of files) {
    names.add(`${file.slice(0, file.length - extname(file).length)}${ending}`)
    names.add(`${file}${ending}`)
  }
  return names
}

/** Files, and the folder that their paths below `--output` start from. */
interface Found {
  base: string
  files: PackedPaths
}

async function inFolder(path: string, { options: { cwd, ignore }, leftOut }: Collection): Promise<Found> {
  return { base: path, files: await searchFolder(path, { cwd, ignore, leftOut }) }
}

async function matched(pattern: string, { options: { cwd, ignore }, leftOut }: Collection): Promise<Found> {
  // On Windows people type backslashes, which would escape characters in a glob.
  const glob = process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern
  const { default: fastGlob } = await import('fast-glob')
  // One that begins with braces stands for several folders.
  const bases = fastGlob.generateTasks([glob], { cwd }).map((task) => resolve(cwd, task.base))
  const base = bases.length > 0 ? bases.reduce(commonFolder) : cwd
  return { base, files: await searchGlob(glob, { cwd, ignore, leftOut }) }
}

/** The first bytes tell a picture from a list. */
async function addStandardInput(collection: Collection): Promise<void> {
  const { stdin, pictureOnStdin } = collection.options
  const content = withWholeHead(stdin)
  const { value: head, done } = await content.next()
  if (done) return
  const whole = startingWith(head, content)
  if (pictureOnStdin && kindOf(head)?.what === 'picture') {
    collection.addPicture(await pictureOnStdin.keep(whole), pictureOnStdin.name)
  } else {
    await addList(whole, { shown: 'standard input', isStandardInput: true }, collection)
  }
}

/** Names that are not UTF-8 after which a list in which none of them exists is given up. */
const maxStrangeNames = 1000

/** @returns whether an entry of a list was taken for something else than the path of a file */
function isNoPath(entry: string, collection: Collection): boolean {
  const isJob = collection.options.takesJobs && isUuid(entry.trim())
  if (isJob) collection.addJob(entry.trim())
  else if (isAddress(entry) && URL.canParse(entry)) collection.addAddress(entry)
  else return false
  return true
}

async function addList(
  content: AsyncIterable<Buffer>,
  origin: ListOrigin,
  collection: Collection,
): Promise<void> {
  const { cwd } = collection.options
  let strange = 0
  let isKnown = false
  const assertText = () => {
    if (strange > 0 && !isKnown)
      throw notAList(origin, 'it is not UTF-8, and no file has the names that its bytes would be')
  }
  try {
    for await (const entries of listEntries(content, origin)) {
      for (const entry of entries) {
        if (isNoPath(entry, collection)) continue
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

/**
 * The way from a folder to a path in it; empty for the folder itself.
 *
 * @param folder absolute and resolved, as the path
 * @returns undefined for a path that lies elsewhere
 */
function wayBelow(folder: string, path: string): string | undefined {
  if (sep === '/') {
    // Of many thousands of paths `relative` would take most of the time.
    if (path === folder) return ''
    const start = folder === '/' ? folder : `${folder}/`
    return path.startsWith(start) ? path.slice(start.length) : undefined
  }
  const below = relative(folder, path)
  const isBelow = !below.startsWith(`..${sep}`) && below !== '..' && resolve(folder, below) === path
  return below === '' || isBelow ? below : undefined
}

/** Whether a path is the folder or lies below it. */
const isInside = (path: string, folder: string): boolean => wayBelow(folder, path) !== undefined

const shownFrom = (cwd: string, path: string): string => shownPath((wayBelow(cwd, path) ?? path) || '.')

function commonFolder(one: string, other: string): string {
  let common = one
  while (!isInside(other, common)) common = dirname(common)
  return common
}

const onlyOurs = (folder: string): RmbgError =>
  new RmbgError('USAGE', `All inputs lie in a folder that rmbg writes to (${folder}).`, {
    hint: 'Choose an --output folder that does not hold the inputs, or add --suffix -cutout.',
  })

const noMatch = (patterns: string[]): RmbgError =>
  new RmbgError('NO_MATCH', `No image matches ${patterns.map(shownPath).join(', ')}.`, {
    hint: `Check the spelling. Folders are searched for ${imageExtensions.join(', ')} files.`,
  })
