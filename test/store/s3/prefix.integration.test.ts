/** A store below a prefix of a bucket that others use too: it neither sees nor needs anything else of it. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import {
  GetBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { expect, it, onTestFinished } from 'vitest'
import { s3Client, s3Store } from '../../../src/store/s3/index.ts'
import { describeWith, freshBucket, s3Endpoint } from '../../support/servers.ts'
import { png, testDriver } from '../contract.ts'

const prefix = 'shop/photos 2026/'
const wish = { archiveAfterDays: 30, archiveClass: 'none', expireAfterDays: 90 }

/**
 * The test server as somebody meets it whose rights end at the prefix: everything else of the bucket is denied. Such
 * rights do not tell either that an object is absent, since only listings below the prefix are allowed.
 */
async function startLimitedServer(bucket: string) {
  const denied: string[] = []
  const server = createServer(async (incoming, answer) => {
    const body = await buffer(incoming)
    const { pathname, searchParams } = new URL(incoming.url!, 'http://any')
    const key = decodeURIComponent(pathname).slice(`/${bucket}/`.length)
    const listed = searchParams.get('prefix') ?? ''
    const removed = [...body.toString('latin1').matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, each]) => each!)
    const isAllowed =
      key !== ''
        ? key.startsWith(prefix)
        : searchParams.has('delete')
          ? removed.every((each) => each.startsWith(prefix))
          : listed.startsWith(prefix)
    const deny = () => {
      const error = '<Error><Code>AccessDenied</Code><Message>AccessDenied</Message></Error>'
      answer.writeHead(403, { 'content-type': 'application/xml' })
      answer.end(incoming.method === 'HEAD' ? '' : error)
    }
    if (!isAllowed) {
      denied.push(`${incoming.method} ${incoming.url}`)
      return deny()
    }
    const { hostname: host, port } = new URL(s3Endpoint!)
    const { method, url: path, headers } = incoming
    const outgoing = request({ host, port, method, path, headers })
    outgoing.end(body)
    const [response] = await once(outgoing, 'response')
    if (response.statusCode === 404) return deny()
    answer.writeHead(response.statusCode, response.headers)
    response.pipe(answer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    denied,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describeWith('RMBG_TEST_S3_ENDPOINT')('a store below a prefix, whose rights end there,', () => {
  testDriver({
    open: async () => {
      const { bucket } = await freshBucket()
      const server = await startLimitedServer(bucket)
      const store = s3Store({ bucket, prefix, endpoint: server.endpoint })
      return {
        ...store,
        close: async () => {
          await store.close()
          await server.close()
          expect(server.denied).toEqual([])
        },
      }
    },
  })
})

describeWith('RMBG_TEST_S3_ENDPOINT')('a store below a prefix', () => {
  async function fresh() {
    const { bucket, keys } = await freshBucket()
    const options = { bucket, endpoint: s3Endpoint! }
    const client = s3Client(options)
    const store = s3Store({ ...options, prefix })
    onTestFinished(async () => {
      client.destroy()
      await store.close()
    })
    return { bucket, keys, client, store, options }
  }

  it('keeps its objects there, and sees and removes no others', async () => {
    const { bucket, keys, client, store } = await fresh()
    const others = ['mask/a.png', 'shop/mask/a.png', 'shop/photos 2026', 'shop/photos 2026-mask/a.png']
    for (const Key of others) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'theirs' }))
    const body = randomBytes(100)
    const put = await store.put('mask/a.png', body, png(body))
    expect(put.key).toBe('mask/a.png')
    expect(await store.head('mask/a.png')).toMatchObject({ key: 'mask/a.png' })
    expect(await keys()).toEqual([...others, `${prefix}mask/a.png`].sort())
    const listed = []
    for await (const { key } of store.list('')) listed.push(key)
    expect(listed).toEqual(['mask/a.png'])
    expect((await buffer(await store.get('mask/a.png'))).equals(body)).toBe(true)
    await store.remove(['mask/a.png', 'shop/mask/a.png'])
    expect(await keys()).toEqual(others.sort())
    expect(store.location).toContain(`s3://${bucket}/${prefix} at http`)
  })

  it('copies to and from other prefixes of the bucket', async () => {
    const { keys, store, options } = await fresh()
    const vault = s3Store({ ...options, prefix: 'backups/' })
    const body = randomBytes(100)
    await store.put('mask/ä b.png', body, png(body))
    expect(await store.copyTo('mask/ä b.png', vault, 'objects/mask/ä b.png')).toBe(true)
    expect(await keys()).toEqual(['backups/objects/mask/ä b.png', `${prefix}mask/ä b.png`])
    await vault.close()
  })

  it('purges the versions of its own objects only', async () => {
    const { bucket, client, store, options } = await fresh()
    const VersioningConfiguration = { Status: 'Enabled' } as const
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }))
    const whole = s3Store(options)
    const body = randomBytes(100)
    for (const at of [store, whole, store, whole]) await at.put('mask/a.png', body, png(body))
    await store.remove(['mask/a.png'])
    expect(await store.versions!.purge(['mask/a.png'])).toEqual({ versions: 2, bytes: 200 })
    expect(await whole.versions!.purge(['mask/a.png'])).toEqual({ versions: 2, bytes: 200 })
    await whole.close()
  })

  it('has rules of its own for old versions, beside those of other prefixes', async () => {
    const { bucket, client, store, options } = await fresh()
    const others = [s3Store(options), s3Store({ ...options, prefix: 'other/' })]
    for (const each of [store, ...others]) {
      const [plan] = await each.versions!.plan(wish)
      expect(plan!.rules.map(({ now }) => now)).toEqual([null, null, null])
      await plan!.execute()
    }
    const [again] = await store.versions!.plan(wish)
    expect(again!.changes).toBe(false)
    const { Rules } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
    const scopes = (Rules ?? []).map((rule) => rule.Prefix ?? rule.Filter?.Prefix).sort()
    const kinds = ['mask/', 'original/', 'processed/']
    expect(scopes).toEqual(['', 'other/', prefix].flatMap((each) => kinds.map((kind) => each + kind)).sort())
    await Promise.all(others.map((each) => each.close()))
  })
})
