import { type BigIntStats, constants, statSync } from 'node:fs'
import { access, type FileHandle, open, opendir, stat } from 'node:fs/promises'
import { type HeaderLimits, type ImageHeader, type PictureFile, readHeader } from '../cutout/codec/header.ts'
import type { MaskedJob, SourceFile } from '../database/jobs.ts'
import { RmbgError } from '../errors.ts'
import { stopwatch } from '../stopwatch.ts'
import type { ObjectStore } from '../store/contract.ts'
import { isReference, type OpenInputBucket, readKept } from '../store/referenced.ts'
import { shownPath, systemPath } from '../system/file-names.ts'

/** An original: a file, or an object in the store. */
export interface Source extends SourceFile {
  /** Reads no more of it than the header needs, where that is possible. */
  header(limits: HeaderLimits): Promise<ImageHeader>
  /** Byte for byte. */
  read(): Promise<Uint8Array>
  /** Gives back what was kept of it to read it. It may be read again. */
  release?(): Promise<void>
  /** Its address, where it can be read again and the log can name it: its original need not be copied. */
  reference?: string | undefined
  /** What else tells it from others, for the `params` of its job; complete when it is read. */
  details?(): Record<string, string>
}

/** Node reads at most this many bytes into one buffer. */
export const maxFileBytes = 2 ** 31 - 1

/**
 * A file of up to this many bytes is read as a whole for its header: three parts of it cost more. Its bytes wait for the
 * budget of memory, so there may be as many as images in work.
 */
const smallFileBytes = 2 ** 18
/** Bytes at the start of a file that most headers are in. */
const headBytes = 2 ** 12

/**
 * The original of a job, read from the store, or where it lies if it is referenced. Path, size and time are those of its
 * file when the job was done.
 *
 * @param places.inputBucket opens the buckets of inputs; absent: there are none
 */
export function originalOfJob(
  job: MaskedJob & { originalPath: string },
  places: { store: ObjectStore; inputBucket?: OpenInputBucket | undefined },
): Source {
  let reading: Promise<Uint8Array> | undefined
  const { originalPath, contentSha256, params } = job
  const read = () => {
    reading ??= readKept(places, { key: originalPath, sha256: contentSha256, params })
    return reading
  }
  const reference = isReference(originalPath)
    ? { reference: originalPath, details: () => detailsOf(params) }
    : {}
  return { ...job.source, ...reference, read, header: async (limits) => readHeader(await read(), limits) }
}

/** What tells the version of an original, from the job that it was made for. */
const detailsOf = ({ source }: MaskedJob['params']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(source ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )

/**
 * Looks at an input file without reading it.
 *
 * @param loggedPath how the log is to know it
 * @throws RmbgError INPUT_NOT_FOUND, INPUT_IS_FOLDER, INPUT_UNREADABLE, INPUT_EMPTY, INPUT_UNSUPPORTED (not a
 *   regular file) or INPUT_TOO_LARGE
 */
export async function inspectSource(path: string, loggedPath = shownPath(path)): Promise<Source> {
  const name = systemPath(path)
  const file = await stat(name, { bigint: true }).catch((cause) => Promise.reject(unreadable(cause)))
  if (file.isDirectory()) {
    await assertReadableFolder(name)
    throw new RmbgError('INPUT_IS_FOLDER', 'This is a folder, not an image.', {
      hint: 'To process the images in it, name it as an argument: rmbg process FOLDER',
    })
  }
  // Opening a pipe or a device could block for ever.
  if (!file.isFile()) throw new RmbgError('INPUT_UNSUPPORTED', 'This is not a regular file.')
  if (file.size === 0n) throw new RmbgError('INPUT_EMPTY', 'The file is empty (0 bytes).')
  if (file.size > maxFileBytes) throw new RmbgError('INPUT_TOO_LARGE', 'The file is larger than 2 GiB.')
  // Where the answer is plain, only reading it will tell otherwise, in the same words.
  if (!isPlainlyReadable(file)) {
    await access(name, constants.R_OK).catch((cause) => Promise.reject(unreadable(cause)))
  }
  return new FileSource(name, loggedPath, file)
}

/** @throws RmbgError INPUT_UNREADABLE */
async function assertReadableFolder(name: string | Buffer): Promise<void> {
  try {
    await access(name, constants.R_OK | constants.X_OK)
    const folder = await opendir(name)
    await folder.read().finally(() => folder.close())
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const [why, otherwise] =
      code === 'EACCES' || code === 'EPERM'
        ? ['may not be read (permission denied)', 'ask its owner for access']
        : [`cannot be read (${code})`, 'look after its disk']
    const hint = `Leave it out with --ignore, or ${otherwise}.`
    throw new RmbgError('INPUT_UNREADABLE', `The folder ${why}.`, { cause, hint })
  }
}

/** What a disk of this machine answers sooner, in milliseconds. */
const quickMs = 0.5
/** So many slow answers in a row are not this machine's being busy with something else. */
const slowInARow = 3
let slow = 0
/** Then so many files are left to `inspectSource`, before the disk is tried again. */
const patientFiles = 100
let patient = 0

/**
 * The same at once, for a plain file on a disk at hand: that answers in a few microseconds, and asking it through a thread
 * costs ten times that. One that is far away must not keep everything else waiting.
 *
 * @returns undefined where `inspectSource` has to tell
 */
export function sourceAtHand(path: string, loggedPath = shownPath(path)): Source | undefined {
  if (patient > 0) {
    patient--
    return undefined
  }
  const name = systemPath(path)
  const lap = stopwatch()
  try {
    const file = statSync(name, { bigint: true, throwIfNoEntry: false })
    if (!file?.isFile() || file.size === 0n || file.size > maxFileBytes) return undefined
    return isPlainlyReadable(file) ? new FileSource(name, loggedPath, file) : undefined
  } catch {
    return undefined
  } finally {
    slow = lap() > quickMs ? slow + 1 : 0
    if (slow >= slowInARow) patient = patientFiles
  }
}

/** There are as many as files that were looked at, so it is small. */
class FileSource implements Source {
  readonly path: string
  readonly size: number
  readonly mtimeNs: bigint
  readonly #name: string | Buffer
  /** Read for the header, until they are asked for. */
  #kept: Uint8Array | undefined

  /** @param name as the system knows it */
  constructor(name: string | Buffer, loggedPath: string, { size, mtimeNs }: BigIntStats) {
    this.#name = name
    this.path = loggedPath
    this.size = Number(size)
    this.mtimeNs = mtimeNs
  }

  async header(limits: HeaderLimits): Promise<ImageHeader> {
    if (this.size <= smallFileBytes) {
      this.#kept = await readSource(this.#name, this)
      return readHeader(this.#kept, limits)
    }
    // sharp opens no path that is not text.
    const file = typeof this.#name === 'string' ? pictureFile(this.#name) : await this.read()
    return readHeader(file, limits).catch(async (error) => {
      // A file that has gone since then is not a damaged file.
      await access(this.#name, constants.R_OK).catch((cause) => Promise.reject(unreadable(cause)))
      throw error
    })
  }

  async read(): Promise<Uint8Array> {
    const bytes = this.#kept ?? (await readSource(this.#name, this))
    this.#kept = undefined
    return bytes
  }

  async release(): Promise<void> {
    this.#kept = undefined
  }
}

const readableByAll = 0o444n
const readableByOwner = 0o400n
const ownId = process.geteuid?.()

const isPlainlyReadable = ({ mode, uid }: BigIntStats): boolean =>
  (mode & readableByAll) === readableByAll || (Number(uid) === ownId && (mode & readableByOwner) !== 0n)

/** Keeps its head, and opens the file anew for each part behind that, of which few are read. */
export function pictureFile(path: string): PictureFile {
  async function part(position: number, length: number): Promise<Buffer> {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position })
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }
  let head: Promise<Buffer> | undefined
  async function readAt(position: number, length: number): Promise<Buffer> {
    const end = position + length
    if (end > headBytes) return part(position, length)
    head ??= part(0, headBytes)
    return (await head).subarray(position, end)
  }
  return { path, readAt }
}

/**
 * The whole file, byte for byte, as it was when it was inspected.
 *
 * @throws RmbgError INPUT_CHANGED when size or time are not those of the inspection
 */
async function readSource(name: string | Buffer, expected: SourceFile): Promise<Uint8Array> {
  const handle = await open(name).catch((cause) => Promise.reject(unreadable(cause)))
  try {
    const bytes = await readBytes(handle, expected.size)
    const file = await handle.stat({ bigint: true })
    const isWhole = bytes.byteLength === expected.size && Number(file.size) === expected.size
    if (!isWhole || file.mtimeNs !== expected.mtimeNs) {
      throw new RmbgError('INPUT_CHANGED', 'The file changed while it was being read.', {
        hint: 'Run the command again when it is completely written.',
      })
    }
    return bytes
  } catch (cause) {
    throw cause instanceof RmbgError ? cause : unreadable(cause as NodeJS.ErrnoException)
  } finally {
    await handle.close()
  }
}

/** In one go, where `readFile` asks for the size first and then for a part at a time. Fewer where the file has no more. */
async function readBytes(handle: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await handle.read(bytes, length, size - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return bytes.subarray(0, length)
}

function unreadable(cause: NodeJS.ErrnoException): RmbgError {
  switch (cause.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new RmbgError('INPUT_NOT_FOUND', 'The file does not exist.', { cause })
    case 'EACCES':
    case 'EPERM':
      return new RmbgError('INPUT_UNREADABLE', 'The file may not be read (permission denied).', { cause })
    case 'ELOOP':
      return new RmbgError('INPUT_UNREADABLE', 'The file is a symbolic link that leads to itself (a loop).', {
        cause,
      })
    default:
      return new RmbgError('INPUT_UNREADABLE', `The file cannot be read (${cause.code ?? cause.message}).`, {
        cause,
      })
  }
}
