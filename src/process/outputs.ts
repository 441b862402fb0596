/** The names of local files: no two inputs ever share one, and no input is ever given away. */
import { dirname, posix, relative, resolve, sep } from 'node:path'
import { RmbgError } from '../errors.ts'
import { shownPath } from '../system/file-names.ts'
import { sha256Of } from '../system/sha256.ts'
import { toSlashes } from './inputs/folders.ts'
import { openPaths } from './inputs/paths.ts'
import type { Candidate } from './inputs.ts'

/** The absolute path of a candidate's local file. */
export type LocalPath = (candidate: Candidate) => string

/** File systems take names of up to 255 bytes. */
const maxNameBytes = 255

/** How a name is made of an input's. */
interface Naming {
  /** The input's name with `/`, of which only the last part is changed. */
  of: (candidate: Candidate) => string
  /** What stands in the place of its extension, such as `-cutout.png`. */
  ending: string
}

/**
 * Where each cut-out goes below a folder that mirrors the inputs: `a/x.jpg` becomes `a/x.png`. Inputs of one folder may
 * differ only in their extension, or only in upper and lower case, which some file systems do not tell apart. All of
 * those keep their whole name: `a/x.jpg.png` and `a/x.png.png`. No two inputs ever share an output.
 *
 * @param folder absolute
 * @param extension of the cut-outs, without a dot
 * @param suffix put before the extension; with one, the folder may be that of the inputs
 * @returns the absolute output path of each of these candidates
 * @throws RmbgError USAGE when the folder holds inputs, and the names of cut-outs could be theirs
 */
export function planOutputs(
  candidates: Iterable<Candidate>,
  folder: string,
  extension: string,
  suffix = '',
): LocalPath {
  const naming: Naming = { of: ({ relative }) => relative, ending: `${suffix}.${extension}` }
  // Of a million inputs nearly all have a plain name, which needs no memory.
  const others = otherNames(candidates, naming)
  const pathOf: LocalPath = (candidate) =>
    inside(folder, others.get(candidate.path) ?? plainName(candidate, naming))
  if (suffix === '') assertNoneIsInput(candidates, folder, pathOf, others)
  return pathOf
}

/**
 * Where each cut-out goes below a folder, while nobody knows which inputs are still to come: all keep their whole name,
 * `a/x.jpg.png`, because an `a/x.png` may come one day.
 *
 * @param folder absolute
 * @param extension of the cut-outs, without a dot
 * @param suffix put before the extension
 */
export function planWholeNames(folder: string, extension: string, suffix = ''): LocalPath {
  const ending = `${suffix}.${extension}`
  return ({ relative: name }) => {
    const whole = `${name}${ending}`
    if (Buffer.byteLength(posix.basename(whole)) <= maxNameBytes) return inside(folder, whole)
    const end = `-${sha256Of(name).slice(0, 8)}${ending}`
    const stem = shortened(posix.basename(name), maxNameBytes - Buffer.byteLength(end))
    return inside(folder, posix.join(posix.dirname(name), `${stem}${end}`))
  }
}

/**
 * Where each cut-out goes beside its input: `a/x.jpg` becomes `a/x-cutout.png`. What `planOutputs` says of names that
 * inputs would share is true here too.
 *
 * @param suffix put before the extension
 * @throws RmbgError USAGE for an input that lies in no folder
 */
export function planBesideInputs(
  candidates: Iterable<Candidate>,
  extension: string,
  suffix: string,
): LocalPath {
  for (const candidate of candidates) if (!isFile(candidate)) throw noFolder(candidate)
  const naming: Naming = { of: ({ path }) => toSlashes(path), ending: `${suffix}.${extension}` }
  const others = otherNames(candidates, naming)
  return (candidate) => {
    const folder = dirname(candidate.path)
    const name = posix.basename(others.get(candidate.path) ?? plainName(candidate, naming))
    return resolve(folder, shownPath(name))
  }
}

/**
 * The one file that is the output of the one input.
 *
 * @param path absolute
 * @throws RmbgError USAGE for more inputs than one, and for the input itself
 */
export function planFile(
  candidates: Iterable<Candidate> & { readonly length: number },
  path: string,
): LocalPath {
  for (const input of candidates) {
    if (input.path !== path) break
    throw new RmbgError('USAGE', `--output ${shownPath(path)} is the input itself.`, {
      hint: 'Inputs are never replaced. Choose another name.',
    })
  }
  if (candidates.length === 1) return () => path
  throw new RmbgError(
    'USAGE',
    `--output ${shownPath(path)} is one file, and there are ${candidates.length.toLocaleString('en')} inputs.`,
    { hint: `To have a folder, end its name in a slash: --output ${shownPath(path).replace(/\.\w+$/, '')}/` },
  )
}

/** Whether a candidate is a file of this machine that a person named, or that was found. */
const isFile = ({ jobId, loggedPath }: Candidate): boolean => jobId === undefined && loggedPath === undefined

const plainName = (candidate: Candidate, { of, ending }: Naming): string =>
  `${withoutExtension(of(candidate))}${ending}`

/** @returns by input path, where the plain name would be too long, or the cut-out of another input as well */
function otherNames(candidates: Iterable<Candidate>, naming: Naming): Map<string, string> {
  const { of, ending } = naming
  const whole = (candidate: Candidate) => `${of(candidate)}${ending}`
  const plain = openPaths()
  const shared = openPaths()
  for (const candidate of candidates) {
    const name = sameName(plainName(candidate, naming))
    if (!plain.add(name)) shared.add(name)
  }
  for (const candidate of candidates) {
    const name = sameName(whole(candidate))
    if (plain.has(name)) shared.add(name)
  }
  const used = openPaths()
  const isTaken = (name: string) => used.has(name) || (plain.has(name) && !shared.has(name))
  const others = new Map<string, string>()
  for (const candidate of candidates) {
    const name = plainName(candidate, naming)
    const isShared = shared.has(sameName(name))
    if (!isShared && Buffer.byteLength(posix.basename(name)) <= maxNameBytes) continue
    const chosen = fitting(isShared ? whole(candidate) : name, ending, isTaken)
    used.add(sameName(chosen))
    others.set(candidate.path, chosen)
  }
  return others
}

/** Two names with the same result are one name to some file system. */
const sameName = (name: string): string => name.normalize('NFC').toLowerCase()

function withoutExtension(path: string): string {
  const extension = posix.extname(path)
  return extension === '' ? path : path.slice(0, -extension.length)
}

/** A name short enough for the file system, with a number where it is taken already. */
function fitting(path: string, ending: string, isTaken: (name: string) => boolean): string {
  const folder = posix.dirname(path)
  const stem = posix.basename(path).slice(0, -ending.length)
  for (let number = 1; ; number++) {
    const end = `${number === 1 ? '' : `-${number}`}${ending}`
    const name = posix.join(folder, `${shortened(stem, maxNameBytes - Buffer.byteLength(end))}${end}`)
    if (!isTaken(sameName(name))) return name
  }
}

function shortened(text: string, maxBytes: number): string {
  let result = text
  while (Buffer.byteLength(result) > maxBytes) result = [...result].slice(0, -1).join('')
  return result
}

/** No input lies outside the common folder. Should one ever, nothing must be written outside the output folder. */
function inside(folder: string, path: string): string {
  const target = resolve(folder, path)
  if (isOutside(folder, target)) {
    throw new RmbgError('OUTPUT_UNWRITABLE', `${path} lies outside the output folder.`)
  }
  return target
}

const isOutside = (folder: string, path: string): boolean => {
  const below = relative(folder, path)
  return below === '..' || below.startsWith(`..${sep}`) || resolve(folder, below) !== path
}

/** Among its inputs a cut-out must not have a name that is one of theirs, now or for the next run. */
function assertNoneIsInput(
  candidates: Iterable<Candidate>,
  folder: string,
  pathOf: LocalPath,
  others: ReadonlyMap<string, string>,
): void {
  const inputs = openPaths()
  for (const candidate of candidates) {
    if (isFile(candidate) && !isOutside(folder, candidate.path)) inputs.add(sameName(candidate.path))
  }
  if (inputs.length === 0) return
  for (const candidate of candidates) {
    const path = pathOf(candidate)
    if (!others.has(candidate.path) && !inputs.has(sameName(path))) continue
    throw new RmbgError(
      'USAGE',
      `The cut-out of ${candidate.shown} would have the name of an input in ${shownPath(folder)}.`,
      { hint: 'Add --suffix -cutout, or choose an --output folder that does not hold the inputs.' },
    )
  }
}

const noFolder = ({ shown }: Candidate): RmbgError =>
  new RmbgError('USAGE', `${shown} lies in no folder, so its cut-out cannot be put beside it.`, {
    hint: 'Name a folder with --output.',
  })
