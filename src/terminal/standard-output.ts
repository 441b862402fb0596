import { RmbgError } from '../errors.ts'

/**
 * Writes the bytes of a picture to standard output.
 *
 * @throws RmbgError OUTPUT_UNWRITABLE, such as when nobody reads it any more
 */
export const toStandardOutput = (bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(bytes, (cause) => {
      if (!cause) return resolve()
      const { code, message } = cause as NodeJS.ErrnoException
      const reason = code === 'EPIPE' ? 'whoever read it has stopped' : (code ?? message)
      reject(new RmbgError('OUTPUT_UNWRITABLE', `Standard output cannot be written: ${reason}.`, { cause }))
    })
  })

/**
 * Resolves when all that was written has left the process, or nobody reads it any more. What is written to a pipe waits in
 * memory until it is read, and `process.exit` would throw it away.
 */
export async function written(): Promise<void> {
  const streams = [process.stdout, process.stderr]
  await Promise.all(
    streams.map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  )
}
