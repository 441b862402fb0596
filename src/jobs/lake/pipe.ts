/** Bytes from this process to DuckDB, which reads a file by its name. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * Lets a reader read what `chunks` gives: through a named pipe, so that nothing is kept on disk and memory stays flat.
 * Windows has no such pipes; there the bytes are a file first.
 *
 * @param path where nothing is yet
 * @param read reads that path to its end
 * @returns what `read` does
 * @throws what `chunks` or `read` throws, once both have ended
 */
export async function throughPipe<T>(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  read: (path: string) => Promise<T>,
  { platform = process.platform }: { platform?: NodeJS.Platform } = {},
): Promise<T> {
  if (platform === 'win32') {
    await writeAll(path, chunks)
    return read(path)
  }
  await promisify(execFile)('mkfifo', ['-m', '600', path])
  const ends = { reader: false }
  const reading = read(path).finally(() => {
    ends.reader = true
    // A writer that still waits for a reader would wait for ever.
    return open(path, constants.O_RDONLY | constants.O_NONBLOCK).then((file) => file.close())
  })
  const [written, result] = await Promise.allSettled([writeAll(path, chunks, ends), reading])
  // A reader that fails breaks the pipe: its own reason says more.
  if (written.status === 'rejected' && !isBroken(written.reason)) throw written.reason
  if (result.status === 'rejected') throw result.reason
  if (written.status === 'rejected') throw written.reason
  return result.value
}

async function writeAll(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  ends: { reader: boolean } = { reader: false },
): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    for await (const chunk of chunks) {
      if (ends.reader) return
      await file.writeFile(chunk)
    }
  } finally {
    await file.close()
  }
}

const isBroken = (reason: unknown): boolean => (reason as NodeJS.ErrnoException).code === 'EPIPE'
