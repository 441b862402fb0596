import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path'
import { RmbgError } from '../errors.ts'
import { removeLeftovers } from '../files.ts'
import type { Candidate } from './inputs.ts'

const temporaryMark = '.rmbg-tmp-'
/** File systems take names of up to 255 bytes. */
const maxNameBytes = 255

/** Whether a file is one of ours that was not finished. */
export const isTemporaryName = (name: string): boolean => name.includes(temporaryMark)

/**
 * Where each cut-out goes below a folder that mirrors the inputs: `a/x.jpg` becomes `a/x.png`. Where inputs of one folder
 * differ only in their extension (or in upper and lower case, which some file systems do not tell apart), all of
 * them keep their whole name: `a/x.jpg.png` and `a/x.png.png`. No two inputs ever share an output.
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

/** Names that some file system takes for the same one. */
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

/** Shortens a name the file system would refuse, and numbers one that is taken. */
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

/** Inputs outside the common folder do not exist; should one ever, it must not write outside the output folder. */
function inside(folder: string, path: string): string {
  const target = resolve(folder, path)
  if (relative(folder, target).startsWith(`..${sep}`)) {
    throw new RmbgError('OUTPUT_UNWRITABLE', `${path} lies outside the output folder.`)
  }
  return target
}

/** Folders that this process has looked through. */
const tidied = new Set<string>()

/**
 * Writes a file that others see complete or not at all, and that a power failure cannot leave empty.
 *
 * @throws RmbgError OUTPUT_UNWRITABLE
 */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
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
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    const { code, message } = cause as NodeJS.ErrnoException
    const why: Record<string, string> = {
      ENOSPC: 'the disk is full',
      EDQUOT: 'the quota is used up',
      EACCES: 'permission denied',
      EPERM: 'permission denied',
      EROFS: 'the file system is read-only',
      ENOTDIR: 'a file stands where a folder is needed',
      EISDIR: 'a folder stands in its place',
      EEXIST: 'a file stands where a folder is needed',
    }
    throw new RmbgError(
      'OUTPUT_UNWRITABLE',
      `The cut-out ${basename(path)} cannot be written to ${folder}: ${why[code ?? ''] ?? message}.`,
      {
        hint: 'Check the --output folder.',
        cause,
      },
    )
  }
}
