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
