/** Bytes to a reader that takes a file's name: whole, in bounds, and with an end whoever fails. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openDuckDb } from '../../../src/jobs/lake/duckdb.ts'
import { throughPipe } from '../../../src/jobs/lake/pipe.ts'
import { temporaryFolder } from '../../support/cli.ts'

async function* chunks(count: number, failAt = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index++) {
    if (index === failAt) throw new Error('the source failed')
    yield Buffer.alloc(100_000, index)
  }
}

describe.each(['linux', 'win32'] as const)('a pipe, as on %s', (platform) => {
  const through = async <T>(source: AsyncIterable<Uint8Array>, read: (path: string) => Promise<T>) =>
    throughPipe(join(await temporaryFolder(), 'pipe'), source, read, { platform })

  it('gives every byte, and none', async () => {
    expect((await through(chunks(20), (path) => readFile(path))).length).toBe(2_000_000)
    expect((await through(chunks(0), (path) => readFile(path))).length).toBe(0)
  })

  it('fails with its source', async () => {
    await expect(through(chunks(20, 3), (path) => readFile(path))).rejects.toThrow('the source failed')
    await expect(through(chunks(20, 0), (path) => readFile(path))).rejects.toThrow('the source failed')
  })

  it('fails with its reader, even one that never looked', async () => {
    const failing = async () => {
      throw new Error('the reader failed')
    }
    await expect(through(chunks(20), failing)).rejects.toThrow('the reader failed')
    await expect(through(chunks(0), failing)).rejects.toThrow('the reader failed')
  })
})

describe('DuckDB', () => {
  it('is asked for by its name where it is not installed', async () => {
    const absent = () => Promise.reject(Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' }))
    await expect(openDuckDb(await temporaryFolder(), absent)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: expect.stringContaining('npm install @duckdb/node-api'),
    })
  })

  it('fetches and loads no extension', async () => {
    const duckDb = await openDuckDb(await temporaryFolder())
    const rows = await duckDb.rows<{ value: string }>(
      `SELECT value FROM duckdb_settings()
       WHERE name IN ('autoinstall_known_extensions', 'autoload_known_extensions')`,
    )
    expect(rows).toEqual([{ value: 'false' }, { value: 'false' }])
    duckDb.close()
  })
})
