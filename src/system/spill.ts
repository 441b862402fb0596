/** Bytes from elsewhere, kept on disk as long as they are worked on, so that memory stays flat. */
import { rmSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RmbgError } from '../errors.ts'
import { diskProblem } from './files.ts'

export interface Spill {
  /**
   * Writes a file that only this user can read.
   *
   * @param maxBytes what is longer is cut off one byte behind this: whoever looks at the file sees that it is too long
   * @returns its absolute path
   * @throws RmbgError INPUT_UNREADABLE when the disk refuses it, or what the content throws
   */
  keep(content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string>
  remove(path: string): Promise<void>
  /** Removes everything. */
  close(): Promise<void>
}

/** The folder is made when it is needed, in that of the system for temporary files. */
export function openSpill(): Spill {
  let making: Promise<string> | undefined
  let count = 0
  const folder = async () => {
    const made = await mkdtemp(join(tmpdir(), 'rmbg-')) // of mode 0700
    // A second Ctrl-C ends the process at once.
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    return made
  }
  return {
    keep: async (content, maxBytes) => {
      making ??= folder()
      const place = await making.catch((cause) => Promise.reject(unkept(cause)))
      const path = join(place, `input-${++count}`)
      await writeAll(path, content, maxBytes)
      return path
    },
    remove: (path) => rm(path, { force: true }),
    close: async () => {
      if (making) await rm(await making, { recursive: true, force: true })
    },
  }
}

async function writeAll(path: string, content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause) => Promise.reject(unkept(cause)))
  try {
    let room = maxBytes + 1
    for await (const chunk of content) {
      await file.writeFile(chunk.subarray(0, room)).catch((cause) => Promise.reject(unkept(cause)))
      room -= chunk.length
      if (room <= 0) return
    }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

function unkept(cause: NodeJS.ErrnoException): RmbgError {
  const sentence = diskProblem(cause, tmpdir())?.sentence ?? `${tmpdir()} cannot be written (${cause.code}).`
  return new RmbgError('INPUT_UNREADABLE', `The picture cannot be kept while it is worked on. ${sentence}`, {
    hint: 'Make room there, or set TMPDIR to another folder.',
    cause,
  })
}
