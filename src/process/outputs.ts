import { posix, relative, resolve, sep } from 'node:path'
import { RmbgError } from '../errors.ts'
import { openPaths } from './inputs/paths.ts'
import type { Candidate } from './inputs.ts'

/** File systems take names of up to 255 bytes. */
const maxNameBytes = 255

/**
 * Where each cut-out goes below a folder that mirrors the inputs: `a/x.jpg` becomes `a/x.png`. Inputs of one folder may
 * differ only in their extension, or only in upper and lower case, which some file systems do not tell apart. All of
 * those keep their whole name: `a/x.jpg.png` and `a/x.png.png`. No two inputs ever share an output.
 *
 * @param folder absolute
 * @param extension of the cut-outs, without a dot
 * @returns the absolute output path of each of these candidates
 */
export function planOutputs(
  candidates: Iterable<Candidate>,
  folder: string,
  extension: string,
): (candidate: Candidate) => string {
  // Of a million inputs nearly all have a plain name, which needs no memory.
  const others = otherNames(candidates, extension)
  return (candidate) => inside(folder, others.get(candidate.path) ?? plainName(candidate, extension))
}

const plainName = ({ relative }: Candidate, extension: string): string =>
  `${withoutExtension(relative)}.${extension}`

/** @returns by input path, where the plain name would be too long, or the cut-out of another input as well */
function otherNames(candidates: Iterable<Candidate>, extension: string): Map<string, string> {
  const whole = (candidate: Candidate) => `${candidate.relative}.${extension}`
  const plain = openPaths()
  const shared = openPaths()
  for (const candidate of candidates) {
    const name = sameName(plainName(candidate, extension))
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
    const name = plainName(candidate, extension)
    const isShared = shared.has(sameName(name))
    if (!isShared && Buffer.byteLength(posix.basename(name)) <= maxNameBytes) continue
    const chosen = fitting(isShared ? whole(candidate) : name, extension, isTaken)
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
function fitting(path: string, extension: string, isTaken: (name: string) => boolean): string {
  const folder = posix.dirname(path)
  const stem = posix.basename(path).slice(0, -(extension.length + 1))
  for (let number = 1; ; number++) {
    const end = `${number === 1 ? '' : `-${number}`}.${extension}`
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
  if (relative(folder, target).startsWith(`..${sep}`)) {
    throw new RmbgError('OUTPUT_UNWRITABLE', `${path} lies outside the output folder.`)
  }
  return target
}
