import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import {
  access,
  constants,
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  opendir,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { diskProblem, flush, isAbsent, removeLeftovers, sync } from '../system/files.ts'
import {
  finalSha256,
  type GetOptions,
  type ObjectStore,
  type ObjectStream,
  type PutOptions,
  type StoredObject,
} from './contract.ts'
import { assertKey, contentTypeOf } from './keys.ts'

/** Unfinished objects wait here, on the same file system, where no listing shows them. */
const staging = '.incoming'
/** The buffer for reading back is small, because there is one for each object that is written. */
const readBackBytes = 2 ** 18

/**
 * Objects as files below a folder, named by their keys and readable by their owner only. A file is written and flushed
 * to disk under another name and then renamed, so it appears complete.
 *
 * @param folder absolute; created if missing
 */
export function directoryStore(folder: string): ObjectStore {
  const root = resolve(folder)
  return {
    location: root,
    check: () => assertWritable(root).catch(failedIn(root)),
    put: (key, body, options) => putFile(root, key, body, options).catch(failedIn(root, key)),
    get: (key, options) => openFile(root, key, options).catch(failedIn(root, key)),
    head: (key) => describeFile(root, key).catch(failedIn(root, key)),
    list: async function* (prefix, signal) {
      try {
        yield* walk(root, '', prefix, signal)
      } catch (cause) {
        throw storeError(root, cause)
      }
    },
    remove: async (keys) => {
      for (const key of keys) await removeFile(root, key).catch(failedIn(root, key))
    },
    link: async (key) => pathToFileURL(pathOf(root, key)).href,
    copyTo: async () => false,
    close: async () => {},
  }
}

function pathOf(root: string, key: string): string {
  assertKey(key)
  return join(root, ...key.split('/'))
}

async function assertWritable(root: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 })
  // Before anything is made in it: on a read-only disk a recursive mkdir says ENOENT.
  await access(root, constants.W_OK)
  await mkdir(join(root, staging), { recursive: true, mode: 0o700 })
  await access(join(root, staging), constants.W_OK)
  await removeLeftovers(join(root, staging))
}

async function putFile(
  root: string,
  key: string,
  body: Uint8Array | Readable,
  { sha256, onlyIf, signal }: PutOptions,
): Promise<StoredObject> {
  const target = pathOf(root, key)
  const temporary = join(root, staging, randomBytes(12).toString('hex'))
  try {
    const size = await writeFlushed(temporary, body, sha256, signal)
    await failPoint('store:staged')
    const place = onlyIf === 'absent' ? placeIfAbsent : rename
    await place(temporary, target).catch(async (cause) => {
      if (!isAbsent(cause)) throw cause
      // The first object of that folder, or another process removed the last one, and the folder with it.
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await place(temporary, target)
    })
    await failPoint('store:renamed')
    // A rename is durable once its folder is flushed. Not every file system can do that, and the folder may be gone again.
    await syncFolder(dirname(target))
    return { ...described(key, size, new Date()), sha256: finalSha256(sha256) }
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw cause
  }
}

/** Flushes of folders that are under way, each with the one that follows it. */
const flushes = new Map<string, { now: Promise<void>; next?: Promise<void> }>()

/**
 * Flushes a folder after this call. Those who ask while it is being flushed share the flush behind that, which begins
 * after all of them have asked: objects of one day lie in one folder.
 */
function syncFolder(folder: string): Promise<void> {
  const flush = flushes.get(folder)
  if (flush) {
    flush.next ??= flush.now.then(() => syncFolder(folder))
    return flush.next
  }
  const now = sync(folder)
    .catch(() => {})
    .finally(() => flushes.delete(folder))
  flushes.set(folder, { now })
  return now
}

/** Opens a new file. The folder for unfinished objects is made with the first one. */
async function openStaged(path: string): Promise<FileHandle> {
  const begin = () => open(path, 'wx+', 0o600)
  return begin().catch(async (cause) => {
    if (!isAbsent(cause)) throw cause
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    return begin()
  })
}

/** Gives a file its name unless that is taken; a rename would replace what is there. */
async function placeIfAbsent(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target).catch((cause) => {
      // Not every file system has hard links. A copy may be seen unfinished, but never replaces anything either.
      if (['EEXIST', 'ENOENT'].includes(cause.code)) throw cause
      return copyFile(temporary, target, constants.COPYFILE_EXCL)
    })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new RmbgError('STORE_CONFLICT', `${target} is there already.`, { cause })
  }
  await rm(temporary, { force: true })
}

async function openFile(root: string, key: string, { from }: GetOptions = {}): Promise<ObjectStream> {
  const stream = createReadStream(pathOf(root, key), { start: from?.offset ?? 0 })
  await once(stream, 'open')
  return stream
}

async function describeFile(root: string, key: string): Promise<StoredObject | undefined> {
  const path = pathOf(root, key)
  try {
    const file = await stat(path)
    return file.isFile() ? described(key, file.size, file.mtime) : undefined
  } catch (cause) {
    if (isAbsent(cause)) return undefined
    throw cause
  }
}

async function removeFile(root: string, key: string): Promise<void> {
  const path = pathOf(root, key)
  try {
    await rm(path, { force: true })
    await removeEmptyFolders(root, dirname(path))
  } catch (cause) {
    if (!isAbsent(cause)) throw cause
  }
}

const described = (key: string, size: number, lastModified: Date): StoredObject => ({
  key,
  size,
  lastModified,
  contentType: contentTypeOf(key),
})

/** @returns bytes written */
async function writeFlushed(
  path: string,
  body: Uint8Array | Readable,
  sha256: PutOptions['sha256'],
  signal: AbortSignal | undefined,
): Promise<number> {
  const hash = createHash('sha256')
  const handle = await openStaged(path)
  let size = 0
  try {
    for await (const chunk of body instanceof Readable ? body : [body]) {
      signal?.throwIfAborted()
      await handle.writeFile(chunk)
      size += chunk.length
    }
    // Check what a reader will get, not what was sent.
    const buffer = Buffer.allocUnsafe(Math.min(size, readBackBytes))
    for (let position = 0, read = 0; position < size; position += read) {
      read = (await handle.read(buffer, 0, buffer.length, position)).bytesRead
      if (read === 0) break
      hash.update(buffer.subarray(0, read))
    }
    if (hash.digest('hex') !== finalSha256(sha256)) {
      throw new RmbgError('STORE_CHECKSUM', 'The bytes on disk are not what was written.', {
        hint: 'Check the disk, then run the command again.',
      })
    }
    await flush(handle)
  } finally {
    await handle.close()
  }
  return size
}

/** Removes a folder and those above it that have become empty. */
async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.startsWith(root + sep); path = dirname(path)) {
    try {
      await rmdir(path)
    } catch {
      return // not empty
    }
  }
}

/** Objects below a folder in key order. Folders that cannot hold the prefix are not entered. */
async function* walk(
  root: string,
  folder: string,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredObject> {
  signal?.throwIfAborted()
  const found: { key: string; isFolder: boolean }[] = []
  try {
    for await (const entry of await opendir(join(root, folder))) {
      const isFolder = entry.isDirectory()
      // A folder sorts as its keys do, with the slash after its name.
      const key = `${folder}${entry.name}${isFolder ? '/' : ''}`
      const isWanted = isFolder
        ? entry.name !== staging && (key.startsWith(prefix) || prefix.startsWith(key))
        : key.startsWith(prefix)
      if (isWanted) found.push({ key, isFolder })
    }
  } catch (cause) {
    if (isAbsent(cause)) return
    throw cause
  }
  found.sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const { key, isFolder } of found) {
    if (isFolder) yield* walk(root, key, prefix, signal)
    else {
      const file = await stat(join(root, ...key.split('/'))).catch(() => undefined)
      if (file) yield described(key, file.size, file.mtime)
    }
  }
}

const failedIn =
  (root: string, key?: string) =>
  (cause: unknown): never => {
    throw storeError(root, cause, key)
  }

function storeError(root: string, cause: unknown, key?: string): Error {
  if (cause instanceof RmbgError || (cause as Error).name === 'AbortError') return cause as Error
  const { code, message } = cause as NodeJS.ErrnoException
  const where = `the store in ${root.endsWith(sep) ? root : root + sep}`
  if (code === 'ENOENT') {
    return new RmbgError('STORE_OBJECT_MISSING', `The object ${key} is not in ${where}.`, { cause })
  }
  const disk = diskProblem(cause, where)
  switch (disk?.problem) {
    case 'full':
      return new RmbgError('STORE_FULL', disk.sentence, {
        hint: 'Free some space and run the command again.',
        cause,
      })
    case 'denied':
      return new RmbgError('STORE_DENIED', disk.sentence, {
        hint: 'Check who owns it, or choose another RMBG_HOME.',
        cause,
      })
    default:
      return new RmbgError(
        'STORE_UNAVAILABLE',
        `${where.replace('the', 'The')} failed (${code ?? message}).`,
        { cause },
      )
  }
}
