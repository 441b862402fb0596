import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { RmbgError } from '../errors.ts'
import { finalSha256, type ObjectStore, type PutOptions } from './contract.ts'

/**
 * A store that refuses a body that is not what its SHA-256 says: bytes before they are sent, a stream at its end, so that
 * the object is never completed.
 */
export function checkingPuts(store: ObjectStore): ObjectStore {
  return {
    ...store,
    put: async (key, body, options) => {
      // Made only where it is thrown: the stack of an error costs as much as a digest.
      const refused = () => mismatch(key, store.location)
      if (body instanceof Uint8Array) {
        const sha256 = createHash('sha256').update(body).digest('hex')
        if (sha256 !== finalSha256(options.sha256)) throw refused()
        return store.put(key, body, options)
      }
      const checked = Readable.from(checkedAtEnd(body, options.sha256, refused), { objectMode: false })
      return store.put(key, checked, options)
    },
  }
}

async function* checkedAtEnd(
  body: Readable,
  sha256: PutOptions['sha256'],
  refused: () => Error,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of body) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== finalSha256(sha256)) throw refused()
}

export function mismatch(key: string, place: string): RmbgError {
  return new RmbgError('STORE_CHECKSUM', `What arrived in ${place} as ${key} is not what was sent.`, {
    hint: 'Run the command again. If it happens again, check the network and the store.',
  })
}
