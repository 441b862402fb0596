import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RmbgError } from '../errors.ts'
import { inspectSource, maxFileBytes } from '../process/source.ts'

/** A path, a `file:` URL, the bytes of a file, or a stream of them. */
export type Picture = string | URL | Uint8Array | ArrayBuffer | Blob | AsyncIterable<Uint8Array>

/**
 * The bytes of a picture's file.
 *
 * @throws RmbgError INPUT_NOT_FOUND and its kind for a path, USAGE for an address of the web, INPUT_EMPTY, INPUT_TOO_LARGE
 */
export async function bytesOf(picture: Picture): Promise<Uint8Array> {
  const bytes = await read(picture)
  if (bytes.byteLength === 0) throw new RmbgError('INPUT_EMPTY', 'The picture is empty (0 bytes).')
  return bytes
}

async function read(picture: Picture): Promise<Uint8Array> {
  if (typeof picture === 'string') return (await inspectSource(resolve(picture))).read()
  if (picture instanceof URL) {
    if (picture.protocol === 'file:') return read(fileURLToPath(picture))
    throw new RmbgError('USAGE', 'removeBackground takes no addresses of the web.', {
      hint: 'Fetch the picture yourself and give its bytes: (await fetch(url)).body',
    })
  }
  if (picture instanceof Uint8Array) return picture
  if (picture instanceof ArrayBuffer) return new Uint8Array(picture)
  if (picture instanceof Blob) return new Uint8Array(await picture.arrayBuffer())
  return gathered(picture)
}

async function gathered(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream) {
    length += chunk.byteLength
    if (length > maxFileBytes) throw new RmbgError('INPUT_TOO_LARGE', 'The picture is larger than 2 GiB.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
