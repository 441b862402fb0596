import { posix, relative, resolve, sep } from 'node:path'
import { RmbgError } from '../errors.ts'
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
 * @returns absolute output path by absolute input path
 */
export function planOutputs(
  candidates: readonly Candidate[],
  folder: string,
  extension: string,
): Map<string, string> {
  const short = (candidate: Candidate) => `${withoutExtension(candidate.relative)}.${extension}`
  const long = (candidate: Candidate) => `${candidate.relative}.${extension}`
  const shortNames = count(candidates.map((candidate) => sameName(short(candidate))))
  const longNames = new Set(candidates.map((candidate) => sameName(long(candidate))))
  const used = new Set<string>()
  const outputs = new Map<string, string>()
  for (const candidate of candidates) {
    const name = sameName(short(candidate))
    const isFree = shortNames.get(name) === 1 && !longNames.has(name)
    const chosen = fitting(isFree ? short(candidate) : long(candidate), extension, used)
    used.add(sameName(chosen))
    outputs.set(candidate.path, inside(folder, chosen))
  }
  return outputs
}

/** Two names with the same result are one name to some file system. */
const sameName = (name: string): string => name.normalize('NFC').toLowerCase()

function withoutExtension(path: string): string {
  const extension = posix.extname(path)
  return extension === '' ? path : path.slice(0, -extension.length)
}

function count(names: string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** A name short enough for the file system, with a number where it is taken already. */
function fitting(path: string, extension: string, used: Set<string>): string {
  const folder = posix.dirname(path)
  const stem = posix.basename(path).slice(0, -(extension.length + 1))
  for (let number = 1; ; number++) {
    const end = `${number === 1 ? '' : `-${number}`}.${extension}`
    const name = posix.join(folder, `${shortened(stem, maxNameBytes - Buffer.byteLength(end))}${end}`)
    if (!used.has(sameName(name))) return name
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
