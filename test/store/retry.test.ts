import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { RmbgError } from '../../src/errors.ts'
import type { GetOptions, ObjectStore } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { retryingReads } from '../../src/store/retry.ts'
import { testDriver } from './contract.ts'

describe('a store that retries reads', () => {
  testDriver({
    open: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'rmbg-store-'))
      return { ...retryingReads(directoryStore(folder)), close: () => rm(folder, { recursive: true }) }
    },
  })

  const body = randomBytes(100_000)

  /** A store whose reads break off after so many bytes each; the last one is whole. */
  function breaking(...lengths: (number | Error)[]) {
    const asked: GetOptions['from'][] = []
    const store: ObjectStore = {
      ...directoryStore('/nowhere'),
      get: async (_key, { from, signal } = {}) => {
        signal?.throwIfAborted()
        asked.push(from)
        const next = lengths.shift()
        if (next instanceof Error) throw next
        const rest = body.subarray(from?.offset ?? 0)
        const chunks = async function* () {
          if (next !== 0) yield rest.subarray(0, next)
          // What is still buffered when a stream breaks is lost, so it is let through first.
          await new Promise((resolve) => setTimeout(resolve, 5))
          if (next !== undefined) throw new RmbgError('STORE_UNAVAILABLE', 'broken')
        }
        return Object.assign(Readable.from(chunks(), { objectMode: false }), { etag: 'e' })
      },
    }
    return { asked, store: retryingReads(store, { pauseMs: 1 }) }
  }

  it('continues where a read broke off, of the same object', async () => {
    const { store, asked } = breaking(10, 0, 50_000)
    expect((await buffer(await store.get('mask/a.png'))).equals(body)).toBe(true)
    expect(asked).toEqual([
      undefined,
      { offset: 10, etag: 'e' },
      { offset: 10, etag: 'e' },
      { offset: 50_010, etag: 'e' },
    ])
  })

  it('continues a read that itself began in the middle', async () => {
    const { store, asked } = breaking(10)
    const rest = await buffer(await store.get('mask/a.png', { from: { offset: 7, etag: 'e' } }))
    expect(rest.equals(body.subarray(7))).toBe(true)
    expect(asked.map((from) => from?.offset)).toEqual([7, 17])
  })

  it('gives up after 6 tries in a row that bring nothing', async () => {
    const { store, asked } = breaking(10, ...Array<number>(10).fill(0))
    await expect(buffer(await store.get('mask/a.png'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(asked).toHaveLength(6)
  })

  it('gives up when the object cannot be opened again', async () => {
    const gone = new RmbgError('STORE_OBJECT_MISSING', 'gone')
    const { store, asked } = breaking(10, gone)
    await expect(buffer(await store.get('mask/a.png'))).rejects.toBe(gone)
    expect(asked).toHaveLength(2)
  })

  it('stops when it is aborted, or when its reader ends it', async () => {
    const stop = new AbortController()
    const aborted = breaking(10, 0, 0)
    const reading = buffer(await aborted.store.get('mask/a.png', { signal: stop.signal }))
    stop.abort()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    expect(aborted.asked).toHaveLength(1)
    const destroyed = breaking(10)
    const other = await destroyed.store.get('mask/a.png')
    other.once('data', () => other.destroy(new Error('enough')))
    await expect(new Promise((_, reject) => other.once('error', reject))).rejects.toThrow('enough')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(destroyed.asked).toEqual([undefined])
  })
})
