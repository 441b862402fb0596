/** What removal and purge leave in buckets with and without versioning. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ObjectStore } from '../../../src/store/contract.ts'
import { directoryStore } from '../../../src/store/directory.ts'
import { routedStore } from '../../../src/store/routed.ts'
import { s3Client, s3Store } from '../../../src/store/s3/index.ts'
import { temporaryFolder } from '../../support/cli.ts'
import { describeWith, freshBucket, s3Endpoint } from '../../support/servers.ts'

const put = (store: ObjectStore, key: string, text: string) => {
  const body = Buffer.from(text)
  const sha256 = createHash('sha256').update(body).digest('hex')
  return store.put(key, body, { contentType: 'image/png', sha256 })
}

describeWith('RMBG_TEST_S3_ENDPOINT')('versions of objects', () => {
  const client = s3Client({ bucket: 'any', endpoint: s3Endpoint! })
  afterAll(() => client.destroy())

  async function bucketWith(status?: 'Enabled' | 'Suspended') {
    const { bucket } = await freshBucket()
    const set = (Status: 'Enabled' | 'Suspended') =>
      client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }))
    if (status) await set('Enabled')
    if (status === 'Suspended') await set('Suspended')
    const store = s3Store({ bucket, endpoint: s3Endpoint! })
    onTestFinished(() => store.close())
    return { bucket, store, set }
  }

  async function kept(bucket: string): Promise<string[]> {
    const found: string[] = []
    let page: ListObjectVersionsCommandOutput | undefined
    do {
      page = await client.send(
        new ListObjectVersionsCommand({
          Bucket: bucket,
          KeyMarker: page?.NextKeyMarker,
          VersionIdMarker: page?.NextVersionIdMarker,
        }),
      )
      found.push(...(page.Versions ?? []).map(({ Key }) => Key!))
      found.push(...(page.DeleteMarkers ?? []).map(({ Key }) => `${Key} (marker)`))
    } while (page.IsTruncated)
    return found.sort()
  }

  it('tells whether a removal frees space', async () => {
    const { store, set } = await bucketWith()
    expect(await store.versions!.state()).toBe('off')
    await set('Enabled')
    expect(await store.versions!.state()).toBe('enabled')
    await set('Suspended')
    expect(await store.versions!.state()).toBe('suspended')
    const missing = s3Store({ bucket: 'rmbg-no-such-bucket', endpoint: s3Endpoint! })
    await expect(missing.versions!.state()).rejects.toMatchObject({ code: 'STORE_DENIED' })
  })

  it('purges every version and marker of exactly the keys it is given', async () => {
    const { bucket, store } = await bucketWith('Enabled')
    for (const text of ['1', '22', '333']) await put(store, 'mask/a', text)
    await put(store, 'mask/a.png', 'kept')
    await put(store, 'mask/a/b.png', 'kept')
    await put(store, 'mask/c.png', '4444')
    await store.remove(['mask/a'])
    expect(await kept(bucket)).toContain('mask/a (marker)')
    expect(await store.versions!.purge(['mask/a', 'mask/c.png', 'mask/a', 'mask/none.png'])).toEqual({
      versions: 4,
      bytes: 10,
    })
    expect(await kept(bucket)).toEqual(['mask/a.png', 'mask/a/b.png'])
    expect(await store.versions!.purge(['mask/a', 'mask/c.png'])).toEqual({ versions: 0, bytes: 0 })
    await expect(store.versions!.purge(['mask/../x'])).rejects.toMatchObject({ code: 'STORE_DENIED' })
  })

  it('purges what was kept before versioning was turned on, while it is suspended, and where it never was', async () => {
    const { bucket, store, set } = await bucketWith()
    await put(store, 'mask/a.png', '1')
    await set('Enabled')
    await put(store, 'mask/a.png', '22')
    await set('Suspended')
    await put(store, 'mask/b.png', '333')
    expect(await store.versions!.purge(['mask/a.png', 'mask/b.png'])).toEqual({ versions: 3, bytes: 6 })
    expect(await kept(bucket)).toEqual([])
    const plain = await bucketWith()
    await put(plain.store, 'mask/a.png', '1')
    expect(await plain.store.versions!.purge(['mask/a.png'])).toEqual({ versions: 1, bytes: 1 })
    expect(await kept(plain.bucket)).toEqual([])
  })

  it('purges more versions of a key, and more keys, than one request takes', async () => {
    const { bucket, store } = await bucketWith('Enabled')
    const many = Array.from({ length: 1020 }, (_, index) => `mask/many/${index}.png`)
    for (let start = 0; start < many.length; start += 30) {
      const keys = many.slice(start, start + 30)
      await Promise.all(keys.map((key) => put(store, key, 'x')))
      await Promise.all(keys.map(() => put(store, 'mask/one.png', 'yy')))
    }
    expect(await store.versions!.purge([...many, 'mask/one.png'])).toEqual({ versions: 2040, bytes: 3060 })
    expect(await kept(bucket)).toEqual([])
  }, 60_000)

  it('can be broken off', async () => {
    const { bucket, store } = await bucketWith('Enabled')
    await put(store, 'mask/a.png', '1')
    await expect(store.versions!.purge(['mask/a.png'], AbortSignal.abort())).rejects.toThrow()
    await expect(store.versions!.state(AbortSignal.abort())).rejects.toThrow()
    expect(await kept(bucket)).toEqual(['mask/a.png'])
  })

  it('speaks for the buckets of all kinds', async () => {
    const [original, mask, processed] = [
      await bucketWith(),
      await bucketWith('Suspended'),
      await bucketWith('Enabled'),
    ] as const
    const of = (a: ObjectStore, b: ObjectStore, c: ObjectStore) =>
      routedStore({ original: a, mask: b, processed: c })
    const all = of(original.store, mask.store, processed.store)
    expect(await all.versions!.state()).toBe('enabled')
    expect(await of(original.store, mask.store, original.store).versions!.state()).toBe('suspended')
    expect(await of(original.store, original.store, original.store).versions!.state()).toBe('off')
    for (const kind of ['original', 'mask', 'processed']) await put(all, `${kind}/a.png`, kind)
    await put(all, 'processed/a.png', 'again')
    await all.remove(['processed/a.png'])
    expect(await all.versions!.purge(['original/a.png', 'processed/a.png'])).toEqual({
      versions: 3,
      bytes: 22,
    })
    expect(await Promise.all([original, mask, processed].map(({ bucket }) => kept(bucket)))).toEqual([
      [],
      ['mask/a.png'],
      [],
    ])
    const folder = directoryStore(await temporaryFolder())
    expect(folder.versions).toBeUndefined()
    expect(of(original.store, folder, original.store).versions).toBeUndefined()
  })
})

describe('a bucket whose versioning is asked for', () => {
  it.each([
    [501, 'NotImplemented', 'off'],
    [403, 'AccessDenied', /^STORE_DENIED: .* denied access\. The key needs s3:GetBucketVersioning there\.$/],
  ])('takes the answer %i %s of a server', async (status, code, expected) => {
    const server = createServer((request, answer) => {
      request.resume()
      answer.writeHead(status, { 'content-type': 'application/xml' })
      answer.end(`<Error><Code>${code}</Code><Message>no</Message></Error>`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'any')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'any')
    onTestFinished(() => void vi.unstubAllEnvs())
    const state = s3Store({ bucket: 'any', endpoint }).versions!.state()
    const said = await state.catch(({ code, message, hint }) => `${code}: ${message} ${hint}`)
    expect(said).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected))
  })
})
