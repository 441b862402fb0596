import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, it, onTestFinished } from 'vitest'
import { retryingReads } from '../../../src/store/retry.ts'
import { s3Store } from '../../../src/store/s3/index.ts'
import { describeWith, freshBucket, s3Endpoint } from '../../support/servers.ts'
import { png, sha256, testDriver } from '../contract.ts'

describeWith('RMBG_TEST_S3_ENDPOINT')('the S3 store', () => {
  let bucket: string
  testDriver({
    open: async () => {
      bucket = (await freshBucket()).bucket
      return s3Store({ bucket, endpoint: s3Endpoint! })
    },
  })

  it('copies within the server, to any store on it', async () => {
    const [from, to] = [s3Store({ bucket, endpoint: s3Endpoint! }), (await freshBucket()).bucket]
    const target = retryingReads(s3Store({ bucket: to, endpoint: s3Endpoint! }))
    const body = randomBytes(1000)
    await from.put('mask/c+o py.png', body, png(body))
    expect(await from.copyTo('mask/c+o py.png', target, 'objects/copy.png')).toBe(true)
    expect((await buffer(await target.get('objects/copy.png'))).equals(body)).toBe(true)
    expect(await target.head('objects/copy.png')).toMatchObject({ size: 1000, sha256: sha256(body) })
    expect(await from.copyTo('mask/none.png', target, 'objects/none.png')).toBe(false)
    const another = s3Store({ bucket: to, endpoint: 'http://127.0.0.1:9' })
    expect(await from.copyTo('mask/c+o py.png', another, 'objects/copy.png')).toBe(false)
  })

  it('keeps the SHA-256 with the object, and leaves no parts behind', async () => {
    const store = s3Store({ bucket, endpoint: s3Endpoint! })
    const body = randomBytes(10)
    await store.put('mask/digest.png', body, png(body))
    expect((await store.head('mask/digest.png'))?.sha256).toBe(sha256(body))
    const client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []).toEqual([])
  })

  it('gives links that end, and only read the one object', async () => {
    const store = s3Store({ bucket, endpoint: s3Endpoint! })
    const body = randomBytes(10)
    await store.put('mask/link.png', body, png(body))
    await store.put('mask/other.png', body, png(body))
    const short = await store.link('mask/link.png', 1)
    const long = await store.link('mask/link.png', 604_800)
    expect((await fetch(long.replace('link.png', 'other.png'))).status).toBe(403)
    expect((await fetch(long, { method: 'PUT', body: 'x' })).status).toBe(403)
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect((await fetch(short)).status).toBe(403)
    expect((await fetch(long)).status).toBe(200)
    for (const seconds of [0, 1.5, 604_801, Number.NaN]) {
      await expect(store.link('mask/link.png', seconds)).rejects.toMatchObject({ code: 'USAGE' })
    }
  })

  it('names what is wrong, and never a credential', async () => {
    const wrong = async (options: { bucket?: string; endpoint?: string }, env: Record<string, string>) => {
      const before = { ...process.env }
      Object.assign(process.env, env)
      try {
        const store = s3Store({ bucket, endpoint: s3Endpoint!, ...options })
        const body = randomBytes(3)
        const error = await store.check().catch((error) => error)
        const late = await store.put('mask/x.png', body, png(body)).catch((error) => error)
        expect(`${error.message} ${error.hint}`).not.toContain('hidden')
        expect(late.code).toBe(error.code)
        return `${error.code}: ${error.message}`
      } finally {
        process.env = before
      }
    }
    expect(await wrong({ bucket: 'rmbg-no-such-bucket' }, {})).toMatch(
      /^STORE_DENIED: The bucket of s3:\/\/rmbg-no-such-bucket .* does not exist/,
    )
    expect(await wrong({}, { AWS_SECRET_ACCESS_KEY: 'hidden' })).toMatch(
      /^STORE_DENIED: .* refused the secret key/,
    )
    expect(await wrong({}, { AWS_ACCESS_KEY_ID: 'hidden' })).toMatch(
      /^STORE_DENIED: .* does not know the access key/,
    )
    expect(await wrong({ endpoint: 'http://127.0.0.1:9' }, {})).toMatch(
      /^STORE_UNAVAILABLE: .*127\.0\.0\.1:9.*ECONNREFUSED/,
    )
  })

  it('rides out servers that are busy, fail or hang up', async () => {
    let requests = 0
    const proxy = createServer((incoming: IncomingMessage, answer: ServerResponse) => {
      requests++
      if (requests === 1) return void incoming.socket.destroy()
      if (requests <= 3) {
        const [status, code] = requests === 2 ? [503, 'SlowDown'] : [500, 'InternalError']
        return void incoming
          .resume()
          .on('end', () => answer.writeHead(status).end(`<Error><Code>${code}</Code></Error>`))
      }
      const target = new URL(s3Endpoint!)
      // The signature covers the host the client spoke to, so it is passed on as it is.
      const forwarded = request(
        {
          host: target.hostname,
          port: target.port,
          method: incoming.method,
          path: incoming.url,
          headers: incoming.headers,
        },
        (response) => {
          answer.writeHead(response.statusCode!, response.headers)
          response.pipe(answer)
        },
      )
      incoming.pipe(forwarded)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void proxy.close())
    const store = s3Store({ bucket, endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` })
    const body = randomBytes(5000)
    await store.put('mask/ridden.png', body, png(body))
    expect(requests).toBe(4)
    expect(sha256(await buffer(await store.get('mask/ridden.png')))).toBe(sha256(body))
    await store.close()
  })
})
