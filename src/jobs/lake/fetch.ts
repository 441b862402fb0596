import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { ExportPlace } from './manifest.ts'

/**
 * Writes an object of an export into a file, with flat memory.
 *
 * @throws RmbgError of family `store`
 */
export async function fetchTo({ store }: ExportPlace, key: string, path: string): Promise<void> {
  await pipeline(await store.get(key), createWriteStream(path, { mode: 0o600 }))
}
