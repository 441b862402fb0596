/** The suite that every object store has to pass: what src/store/contract.ts promises. */
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { temporaryFolder } from '../support/cli.ts'

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
export const png = (bytes: Uint8Array) => ({ contentType: 'image/png', sha256: sha256(bytes) })

/** What somebody who has only the link gets. */
async function opened(link: string): Promise<Uint8Array> {
  if (link.startsWith('file:')) return readFile(new URL(link))
  const answer = await fetch(link)
  expect(answer.status).toBe(200)
  return new Uint8Array(await answer.arrayBuffer())
}

export interface DriverUnderTest {
  /** An empty store, used by all tests of the suite and closed after them. */
  open: () => Promise<ObjectStore>
}

/** Tests that a driver keeps the contract of src/store/contract.ts. */
export function testDriver({ open }: DriverUnderTest): void {
  let store: ObjectStore
  beforeAll(async () => {
    store = await open()
  })
  afterAll(() => store.close())
  const read = async (key: string) => buffer(await store.get(key))
  const keys = async (prefix: string) => {
    const found = []
    for await (const { key } of store.list(prefix)) found.push(key)
    return found
  }

  it('gives back byte for byte what was put, and what is known of it', async () => {
    await store.check()
    for (const size of [0, 1, 100_000]) {
      const body = randomBytes(size)
      expect(await store.put('original/a.png', body, png(body))).toMatchObject({
        key: 'original/a.png',
        size,
      })
      expect(Buffer.compare(await read('original/a.png'), body)).toBe(0)
      expect(await store.head('original/a.png')).toMatchObject({ size, contentType: 'image/png' })
    }
  })

  it('takes bodies of several parts, in memory or streamed', async () => {
    const body = randomBytes(20_000_000)
    const pieces = [body.subarray(0, 7), body.subarray(7, 9_000_000), body.subarray(9_000_000)]
    for (const [key, sent] of [
      ['original/memory.tiff', body],
      ['original/stream.tiff', Readable.from(pieces)],
    ] as const) {
      expect(await store.put(key, sent, { contentType: 'image/tiff', sha256: sha256(body) })).toMatchObject({
        size: body.length,
      })
      expect(sha256(await read(key))).toBe(sha256(body))
    }
  })

  it('continues a read behind the bytes that are there', async () => {
    const body = randomBytes(100_000)
    await store.put('mask/continued.png', body, png(body))
    const { etag } = await store.get('mask/continued.png')
    for (const offset of [0, 1, 99_999]) {
      const rest = await buffer(await store.get('mask/continued.png', { from: { offset, etag } }))
      expect(rest.equals(body.subarray(offset)), `from ${offset}`).toBe(true)
    }
    if (etag === undefined) return
    const other = randomBytes(100_000)
    await store.put('mask/continued.png', other, png(other))
    await expect(store.get('mask/continued.png', { from: { offset: 1, etag } })).rejects.toThrow()
  })

  it('overwrites, and puts many at the same time', async () => {
    const bodies = Array.from({ length: 20 }, () => randomBytes(5000))
    await Promise.all(bodies.map((body) => store.put('mask/same.png', body, png(body))))
    const last = await read('mask/same.png')
    expect(bodies.some((body) => body.equals(last))).toBe(true)
  })

  it('puts only if absent where that is asked, whoever else does at the same time', async () => {
    const bodies = Array.from({ length: 8 }, () => randomBytes(100))
    const puts = await Promise.allSettled(
      bodies.map((body) => store.put('mask/first.png', body, { ...png(body), onlyIf: 'absent' })),
    )
    const winners = bodies.filter((_, index) => puts[index]!.status === 'fulfilled')
    expect(winners).toHaveLength(1)
    expect((await read('mask/first.png')).equals(winners[0]!)).toBe(true)
    for (const put of puts) {
      if (put.status === 'rejected') expect(put.reason).toMatchObject({ code: 'STORE_CONFLICT' })
    }
    const late = randomBytes(10)
    await expect(store.put('mask/first.png', late, { ...png(late), onlyIf: 'absent' })).rejects.toMatchObject(
      { code: 'STORE_CONFLICT' },
    )
  })

  it('replaces only the object with an etag where that is asked', async () => {
    const [one, two, three] = [randomBytes(10), randomBytes(10), randomBytes(10)]
    await store.put('mask/known.png', one, png(one))
    const { etag } = await store.get('mask/known.png')
    await store.put('mask/known.png', two, { ...png(two), onlyIf: { etag } })
    expect((await read('mask/known.png')).equals(two)).toBe(true)
    if (etag === undefined) return
    await expect(
      store.put('mask/known.png', three, { ...png(three), onlyIf: { etag } }),
    ).rejects.toMatchObject({ code: 'STORE_CONFLICT' })
    expect((await read('mask/known.png')).equals(two)).toBe(true)
  })

  it('knows what is absent', async () => {
    expect(await store.head('mask/none.png')).toBeUndefined()
    await expect(store.get('mask/none.png')).rejects.toMatchObject({ code: 'STORE_OBJECT_MISSING' })
    await store.remove(['mask/none.png', 'mask/not/there/either.png'])
    expect(await keys('processed/nothing/here')).toEqual([])
  })

  it('refuses a body that is not what its checksum says, and keeps nothing of it', async () => {
    const body = randomBytes(100)
    const wrong = { contentType: 'image/png', sha256: sha256(randomBytes(1)) }
    for (const sent of [body, Readable.from([body])]) {
      await expect(store.put('mask/wrong.png', sent, wrong)).rejects.toMatchObject({ code: 'STORE_CHECKSUM' })
    }
    expect(await store.head('mask/wrong.png')).toBeUndefined()
  })

  it('keeps nothing of a body that breaks off, or of a put that was aborted', async () => {
    const breaking = Readable.from(
      (async function* () {
        yield randomBytes(9_000_000)
        throw new Error('the source broke')
      })(),
    )
    await expect(store.put('mask/broken.png', breaking, png(Buffer.alloc(0)))).rejects.toThrow()
    const signal = AbortSignal.abort()
    const body = randomBytes(17_000_000)
    await expect(store.put('mask/broken.png', body, { ...png(body), signal })).rejects.toThrow()
    expect(await store.head('mask/broken.png')).toBeUndefined()
  })

  it('lists a prefix in key order, over pages, and removes in batches', async () => {
    const body = Buffer.from('x')
    const many = Array.from({ length: 1100 }, (_, index) => `processed/many/${index % 7}/${index}.png`).sort()
    for (let start = 0; start < many.length; start += 50) {
      await Promise.all(many.slice(start, start + 50).map((key) => store.put(key, body, png(body))))
    }
    expect(await keys('processed/many/')).toEqual(many)
    expect(await keys('processed/many/3/')).toEqual(many.filter((key) => key.startsWith('processed/many/3/')))
    expect(await keys('processed/many/3/1')).toEqual(
      many.filter((key) => key.startsWith('processed/many/3/1')),
    )
    await store.remove(many)
    expect(await keys('processed/many/')).toEqual([])
  })

  it('gives a link that opens the object', async () => {
    const body = randomBytes(1000)
    await store.put('mask/li nk+ü&?.png', body, png(body))
    const link = await store.link('mask/li nk+ü&?.png', 60)
    expect(Buffer.compare(await opened(link), body)).toBe(0)
    if (process.env.AWS_SECRET_ACCESS_KEY) expect(link).not.toContain(process.env.AWS_SECRET_ACCESS_KEY)
    await expect(store.link('../x', 60)).rejects.toMatchObject({ code: 'STORE_DENIED' })
  })

  it('copies nothing to a store on another server', async () => {
    const body = randomBytes(10)
    await store.put('mask/copied.png', body, png(body))
    const elsewhere = directoryStore(await temporaryFolder())
    expect(await store.copyTo('mask/copied.png', elsewhere, 'mask/copied.png')).toBe(false)
    expect(await elsewhere.head('mask/copied.png')).toBeUndefined()
  })

  it.each([
    '',
    '/etc/passwd',
    '../x',
    'mask/../../x',
    'mask//x',
    'mask/./x',
    'mask/a\nb',
    'mask/a\\..\\b',
    'mask/\u0000',
  ])('refuses the key %j', async (key) => {
    await expect(store.put(key, Buffer.from('x'), png(Buffer.from('x')))).rejects.toMatchObject({
      code: 'STORE_DENIED',
    })
  })
}
