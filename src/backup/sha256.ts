import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

/** Hex. */
export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Passes a stream on and knows, at its end, its SHA-256 and its length. */
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
