import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type postgres from 'postgres'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'

/** What a query of postgres.js 3.4.9 has besides what its types tell. */
interface CopyQuery {
  readable(): Promise<Readable>
  resolve(stream: Readable): void
}

/**
 * The whole output of a `copy (select …) to stdout`, asked again where the connection is lost under it.
 *
 * @param copy makes the statement; it may have no parameters
 * @throws RmbgError of family `database`
 */
export async function copyOut(copy: () => postgres.PendingQuery<postgres.Row[]>): Promise<Buffer> {
  return one(await withDatabase(async () => [await outputOf(copy() as unknown as CopyQuery)]))
}

async function outputOf(query: CopyQuery): Promise<Buffer> {
  const { resolve } = query
  query.resolve = (stream) => {
    // A statement that fails right after its first row breaks the stream before anybody who awaits it has seen it: an
    // error that nobody listens to ends the process. Whoever reads the stream gets the error all the same.
    stream.on('error', () => {})
    resolve(stream)
  }
  return buffer(await query.readable())
}
