/** An object store that takes a request and then says nothing more, through a proxy in front of the real one. */
import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe } from 'vitest'
import { s3Store } from '../../src/store/s3/index.ts'
import { describeServers, freshInstallation } from '../support/fixture-installation.ts'
import { expectInvariants } from '../support/job-rows.ts'
import { eventsOf } from './assert-output.ts'
import { writePictures } from './pictures.ts'
import { type Fault, startStoreProxy } from './s3-proxy.ts'

/** A migrated installation whose store can be made to fail. */
async function failingInstallation(onTestFinished: (end: () => Promise<void>) => void) {
  const installation = await freshInstallation({ migrated: true })
  const proxy = await startStoreProxy()
  onTestFinished(async () => {
    await proxy.close()
    await installation.close()
  })
  await writePictures(join(installation.folder, 'photos'), 6)
  const process_ = (...args: string[]) =>
    installation.run(['process', 'photos', '--model', 'backdrop', '--json', ...args], {
      S3_ENDPOINT: proxy.url,
    })
  return { installation, proxy, process: process_ }
}

describeServers('a store that stalls', () => {
  // What is waited for here costs no processor time: all at once.
  describe.concurrent('once', (it) => {
    it('while it is written to is asked again', async ({ expect, onTestFinished }) => {
      const { installation, proxy, process } = await failingInstallation(onTestFinished)
      proxy.fault = { kind: 'stall', method: 'PUT', every: 10 }
      const finished = await process()
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(eventsOf(finished).at(-1)).toMatchObject({ completed: 6 })
      expect(proxy.met).toBeGreaterThan(0)
      await expectInvariants(installation.sql, installation.store)
    })

    it('in the middle of an object goes on from there', async ({ expect, onTestFinished }) => {
      const { installation, proxy, process } = await failingInstallation(onTestFinished)
      expect((await process()).status).toBe(0)
      proxy.fault = { kind: 'stall', method: 'GET', every: 4 }
      const finished = await process('-o', 'out')
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(eventsOf(finished).at(-1)).toMatchObject({ skipped: 6 })
      expect(proxy.met).toBeGreaterThan(0)
      expect(await readdir(join(installation.folder, 'out'))).toHaveLength(6)
    })
  })

  describe.concurrent('under a driver with less patience', (it) => {
    const open = async (
      stallMs: number,
      fault: Fault,
      onTestFinished: (end: () => Promise<void>) => void,
    ) => {
      const installation = await freshInstallation()
      const proxy = await startStoreProxy()
      const store = s3Store({ bucket: installation.bucket.bucket, endpoint: proxy.url, stallMs })
      onTestFinished(async () => {
        await store.close()
        await proxy.close()
        await installation.close()
      })
      proxy.fault = fault
      return { store, proxy, installation }
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
        const { store, proxy, installation } = await open(
          3000,
          { kind, method: 'PUT', every: 2 },
          onTestFinished,
        )
        await store.put('original/large.png', body, put)
        expect(proxy.met).toBeGreaterThan(0)
        const stored = await buffer(await installation.store.get('original/large.png'))
        expect(createHash('sha256').update(stored).digest('hex')).toBe(sha256)
      })
    }

    for (const kind of ['stall', 'reset mid-body', 'truncated'] as const) {
      it(`reads a large object to its end: ${kind}`, async ({ expect, onTestFinished }) => {
        const fault = { kind, method: 'GET', every: 2 } as const
        const { store, proxy } = await open(10_000, fault, onTestFinished)
        proxy.fault = undefined
        await store.put('original/large.png', body, put)
        proxy.fault = fault
        const first = await buffer(await store.get('original/large.png'))
        const second = await buffer(await store.get('original/large.png'))
        for (const read of [first, second])
          expect(createHash('sha256').update(read).digest('hex')).toBe(sha256)
        expect(proxy.met).toBe(1)
      })
    }
  })
})
