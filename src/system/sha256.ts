import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { systemPath } from './file-names.ts'

/** Hex, of bytes or of a text in UTF-8. */
export const sha256Of = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

/** Hex, of a file's content; memory stays flat. */
export const sha256OfFile = (path: string): Promise<string> =>
  sha256OfStream(createReadStream(systemPath(path), { highWaterMark: 2 ** 20 }))

/** Hex, of what comes; memory stays flat. */
export async function sha256OfStream(source: Readable): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(source, hash)
  return hash.digest('hex')
}

/**
 * Passes a stream on and knows its SHA-256 (hex) and its length in bytes.
 *
 * @returns `sha256()` throws a TypeError before the end of the stream
 */
export function measured(source: Readable): { body: Readable; sha256: () => string; bytes: () => number } {
  const hash = createHash('sha256')
  let digest: string | undefined
  let bytes = 0
  const pass = async function* () {
    for await (const chunk of source) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
    digest = hash.digest('hex')
  }
  return {
    body: Readable.from(pass(), { objectMode: false }),
    sha256: () => {
      if (digest === undefined) throw new TypeError('Expected a stream read to its end')
      return digest
    },
    bytes: () => bytes,
  }
}
