import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

/** Adds the content of a file to digests; memory stays flat. */
export async function addFile(file: string, digests: readonly Hash[]): Promise<void> {
  await pipeline(
    createReadStream(file, { highWaterMark: 2 ** 20 }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) for (const digest of digests) digest.update(chunk)
    },
  )
}

/** Both digests that models are known by, hex, from reading the file once. */
export async function digestsOfFile(file: string): Promise<{ sha256: string; md5: string }> {
  const [sha256, md5] = [createHash('sha256'), createHash('md5')]
  await addFile(file, [sha256, md5])
  return { sha256: sha256.digest('hex'), md5: md5.digest('hex') }
}
