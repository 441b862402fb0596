/** An object store that takes a request and then says nothing more, through a proxy in front of the real one. */
import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe } from 'vitest'
import { s3Store } from '../../src/store/s3/index.ts'
import { expectInvariants } from '../support/records.ts'
import { describeServers, installation } from '../support/site.ts'
import { writePictures } from './pictures.ts'
import { type Fault, startStoreProxy } from './s3-proxy.ts'
import { told } from './told.ts'

/** A migrated site whose store can be made to fail. */
async function failingSite(onTestFinished: (end: () => Promise<void>) => void) {
  const site = await installation()
  const proxy = await startStoreProxy()
  onTestFinished(async () => {
    await proxy.close()
    await site.close()
  })
  await site.run(['migrate'])
  await writePictures(join(site.folder, 'photos'), 6)
  const process_ = (...args: string[]) =>
    site.run(['process', 'photos', '--model', 'backdrop', '--json', ...args], { S3_ENDPOINT: proxy.url })
  return { site, proxy, process: process_ }
}

describeServers('a store that stalls', () => {
  // What is waited for here costs no processor time: all at once.
  describe.concurrent('once', (it) => {
    it('while it is written to is asked again', async ({ expect, onTestFinished }) => {
      const { site, proxy, process } = await failingSite(onTestFinished)
      proxy.fault = { kind: 'stall', method: 'PUT', every: 10 }
      const finished = await process()
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(told(finished).at(-1)).toMatchObject({ completed: 6 })
      expect(proxy.met).toBeGreaterThan(0)
      await expectInvariants(site.sql, site.store)
    })

    it('in the middle of an object goes on from there', async ({ expect, onTestFinished }) => {
      const { site, proxy, process } = await failingSite(onTestFinished)
      expect((await process()).status).toBe(0)
      proxy.fault = { kind: 'stall', method: 'GET', every: 4 }
      const finished = await process('-o', 'out')
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(told(finished).at(-1)).toMatchObject({ skipped: 6 })
      expect(proxy.met).toBeGreaterThan(0)
      expect(await readdir(join(site.folder, 'out'))).toHaveLength(6)
    })
  })

  describe.concurrent('under a driver with less patience', (it) => {
    const open = async (
      stallMs: number,
      fault: Fault,
      onTestFinished: (end: () => Promise<void>) => void,
    ) => {
      const site = await installation()
      const proxy = await startStoreProxy()
      const store = s3Store({ bucket: site.bucket.bucket, endpoint: proxy.url, stallMs })
      onTestFinished(async () => {
        await store.close()
        await proxy.close()
        await site.close()
      })
      proxy.fault = fault
      return { store, proxy, site }
    }
    const body = randomBytes(17 * 2 ** 20)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const put = { contentType: 'image/png', sha256 }

    it('gives up one that stalls for good, writing and reading', async ({ expect, onTestFinished }) => {
      const { store, proxy } = await open(200, { kind: 'stall', every: 1 }, onTestFinished)
      const small = Buffer.from('x')
      const smallSha256 = createHash('sha256').update(small).digest('hex')
      const options = { contentType: 'image/png', sha256: smallSha256 }
      await expect(store.put('mask/x.png', small, options)).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
      })
      expect(proxy.met).toBe(6)
      proxy.fault = undefined
      await store.put('mask/x.png', Buffer.from('x'), options)
      proxy.fault = { kind: 'stall', every: 1 }
      await expect(store.get('mask/x.png').then(buffer)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    })

    for (const kind of ['stall', 'reset mid-body', 'flipped byte', 'wrong ETag'] as const) {
      it(`sends parts of a large object again: ${kind}`, async ({ expect, onTestFinished }) => {
        const { store, proxy, site } = await open(3000, { kind, method: 'PUT', every: 2 }, onTestFinished)
        await store.put('original/large.png', body, put)
        expect(proxy.met).toBeGreaterThan(0)
        const stored = await buffer(await site.store.get('original/large.png'))
        expect(createHash('sha256').update(stored).digest('hex')).toBe(sha256)
      })
    }

    for (const kind of ['stall', 'reset mid-body', 'truncated'] as const) {
      it(`reads a large object to its end: ${kind}`, async ({ expect, onTestFinished }) => {
        const { store, proxy, site } = await open(10_000, { kind, method: 'GET', every: 2 }, onTestFinished)
        await site.store.put('original/large.png', body, put)
        const first = await buffer(await store.get('original/large.png'))
        const second = await buffer(await store.get('original/large.png'))
        for (const read of [first, second])
          expect(createHash('sha256').update(read).digest('hex')).toBe(sha256)
        expect(proxy.met).toBe(1)
      })
    }
  })
})
