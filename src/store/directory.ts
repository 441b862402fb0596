import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, constants, mkdir, open, opendir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { diskProblem, removeLeftovers, sync } from '../files.ts'
import { digestOf, type ObjectStore, type PutOptions, type StoredObject } from './contract.ts'
import { assertKey, contentTypeOf } from './keys.ts'

/** Unfinished objects wait here, on the same file system, out of the way of listings. */
const staging = '.incoming'
/** One buffer for each object: many of them, or large ones, keep the collection of garbage busy. */
const readBackBytes = 2 ** 18

/**
 * Objects as files below a folder, named by their keys and readable by their owner only. A file appears complete and
 * flushed to disk, by being renamed into place.
 *
 * @param folder absolute; made when missing
 */
export function directoryStore(folder: string): ObjectStore {
  const root = resolve(folder)
  const pathOf = (key: string) => {
    assertKey(key)
    return join(root, ...key.split('/'))
  }

  return {
    location: root,

    check: async () => {
      try {
        await mkdir(root, { recursive: true, mode: 0o700 })
        // Before anything is made in it: of a read-only disk a recursive mkdir says ENOENT.
        await access(root, constants.W_OK)
        await mkdir(join(root, staging), { recursive: true, mode: 0o700 })
        await access(join(root, staging), constants.W_OK)
        await removeLeftovers(join(root, staging))
      } catch (cause) {
        throw storeError(root, cause)
      }
    },

    put: async (key, body, { sha256, signal }) => {
      const target = pathOf(key)
      const temporary = join(root, staging, randomBytes(12).toString('hex'))
      try {
        await mkdir(join(root, staging), { recursive: true, mode: 0o700 })
        await mkdir(dirname(target), { recursive: true, mode: 0o700 })
        const size = await writeFlushed(temporary, body, sha256, signal)
        await failPoint('store:staged')
        await rename(temporary, target).catch(async (cause) => {
          if (!isAbsent(cause)) throw cause
          // Somebody removed the last object of that folder, and the folder with it.
          await mkdir(dirname(target), { recursive: true, mode: 0o700 })
          await rename(temporary, target)
        })
        await failPoint('store:renamed')
        // A rename is on disk when its folder is. Not every file system flushes folders, and this one may be gone again.
        await sync(dirname(target)).catch(() => {})
        return {
          key,
          size,
          lastModified: new Date(),
          contentType: contentTypeOf(key),
          sha256: digestOf(sha256),
        }
      } catch (cause) {
        await rm(temporary, { force: true }).catch(() => {})
        throw storeError(root, cause, key)
      }
    },

    get: async (key) => {
      const stream = createReadStream(pathOf(key))
      await new Promise<void>((resolve, reject) =>
        stream.once('open', () => resolve()).once('error', reject),
      ).catch((cause) => {
        throw storeError(root, cause, key)
      })
      return stream
    },

    head: async (key) => {
      try {
        const file = await stat(pathOf(key))
        return file.isFile() ? described(key, file.size, file.mtime) : undefined
      } catch (cause) {
        if (isAbsent(cause)) return undefined
        throw storeError(root, cause, key)
      }
    },

    list: async function* (prefix, signal) {
      try {
        yield* walk(root, '', prefix, signal)
      } catch (cause) {
        throw storeError(root, cause)
      }
    },

    remove: async (keys) => {
      for (const key of keys) {
        try {
          await rm(pathOf(key), { force: true })
          await removeEmptyFolders(root, dirname(pathOf(key)))
        } catch (cause) {
          if (!isAbsent(cause)) throw storeError(root, cause, key)
        }
      }
    },

    link: async (key) => pathToFileURL(pathOf(key)).href,

    close: async () => {},
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
  const handle = await open(path, 'wx+', 0o600)
  let size = 0
  try {
    for await (const chunk of body instanceof Readable ? body : [body]) {
      signal?.throwIfAborted()
      await handle.writeFile(chunk)
      size += chunk.length
    }
    // What is read back is what a reader will get: it is checked, not what was sent.
    const buffer = Buffer.allocUnsafe(Math.min(size, readBackBytes))
    for (let position = 0, read = 0; position < size; position += read) {
      read = (await handle.read(buffer, 0, buffer.length, position)).bytesRead
      if (read === 0) break
      hash.update(buffer.subarray(0, read))
    }
    if (hash.digest('hex') !== digestOf(sha256)) {
      throw new RmbgError('STORE_CHECKSUM', 'What was written is not what should have been.', {
        hint: 'Check the disk; run the command again.',
      })
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return size
}

/** A store that was emptied leaves no tree of empty folders behind. */
async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.startsWith(root + sep); path = dirname(path)) {
    try {
      await rmdir(path)
    } catch {
      return // not empty
    }
  }
}

/** Objects below a folder in key order; folders that cannot hold the prefix are not entered. */
async function* walk(
  root: string,
  folder: string,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredObject> {
  signal?.throwIfAborted()
  const entries = []
  try {
    for await (const entry of await opendir(join(root, folder))) entries.push(entry)
  } catch (cause) {
    if (isAbsent(cause)) return
    throw cause
  }
  // A folder sorts as its keys do, by the slash behind its name.
  const keyed = entries.map((entry) => ({
    entry,
    key: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`,
  }))
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const { entry, key } of keyed) {
    if (entry.isDirectory()) {
      if (entry.name !== staging && (key.startsWith(prefix) || prefix.startsWith(key))) {
        yield* walk(root, key, prefix, signal)
      }
    } else if (key.startsWith(prefix)) {
      const file = await stat(join(root, ...key.split('/'))).catch(() => undefined)
      if (file) yield described(key, file.size, file.mtime)
    }
  }
}

const isAbsent = (cause: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')

function storeError(root: string, cause: unknown, key?: string): Error {
  if (cause instanceof RmbgError || (cause as Error).name === 'AbortError') return cause as Error
  const { code, message } = cause as NodeJS.ErrnoException
  const where = `the store in ${root.endsWith(sep) ? root : root + sep}`
  if (code === 'ENOENT') {
    return new RmbgError('STORE_OBJECT_MISSING', `The object ${key} is not in ${where}.`, { cause })
  }
  const refused = diskProblem(cause, where)
  switch (refused?.problem) {
    case 'full':
      return new RmbgError('STORE_FULL', refused.sentence, {
        hint: 'Make room and run the command again.',
        cause,
      })
    case 'denied':
      return new RmbgError('STORE_DENIED', refused.sentence, {
        hint: 'Check its owner, or choose another RMBG_HOME.',
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
