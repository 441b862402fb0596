/** What every object store promises (src/store/contract.ts), on every driver. */
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ObjectStore } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { assertKey, contentTypeOf, objectKey } from '../../src/store/keys.ts'
import { routedStore } from '../../src/store/routed.ts'
import { s3Store } from '../../src/store/s3/index.ts'
import { temporaryFolder } from '../support/cli.ts'
import { describeWith, freshBucket, s3Endpoint } from '../support/servers.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const png = (bytes: Uint8Array) => ({ contentType: 'image/png', sha256: sha256(bytes) })

/** What somebody who has only the link gets. */
async function opened(link: string): Promise<Uint8Array> {
  if (link.startsWith('file:')) return readFile(new URL(link))
  const answer = await fetch(link)
  expect(answer.status).toBe(200)
  return new Uint8Array(await answer.arrayBuffer())
}

function keepsTheContract(open: () => Promise<ObjectStore>): void {
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

  it('overwrites, and puts many at the same time', async () => {
    const bodies = Array.from({ length: 20 }, () => randomBytes(5000))
    await Promise.all(bodies.map((body) => store.put('mask/same.png', body, png(body))))
    const last = await read('mask/same.png')
    expect(bodies.some((body) => body.equals(last))).toBe(true)
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

describe('the directory store', () => {
  keepsTheContract(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rmbg-store-'))
    return { ...directoryStore(folder), close: () => rm(folder, { recursive: true }) }
  })

  it('is private to its owner', async () => {
    const folder = await temporaryFolder()
    const store = directoryStore(join(folder, 'store'))
    const body = Buffer.from('x')
    await store.put('mask/a.png', body, png(body))
    for (const path of ['store', 'store/mask', 'store/mask/a.png']) {
      expect((await stat(join(folder, path))).mode & 0o077, path).toBe(0)
    }
  })

  it('says which folder is in the way', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), '')
    await expect(directoryStore(join(folder, 'file/store')).check()).rejects.toThrow(folder)
    await chmod(folder, 0o700)
  })

  it('shows whole objects only, when its process is killed in the middle of writing', async () => {
    const folder = await temporaryFolder()
    const module = fileURLToPath(new URL('../../src/store/directory.ts', import.meta.url))
    const code = `
      import { createHash } from 'node:crypto'
      import { directoryStore } from ${JSON.stringify(module)}
      const store = directoryStore(process.argv[1])
      const body = Buffer.alloc(3_000_000, 7)
      const sha256 = createHash('sha256').update(body).digest('hex')
      process.stdout.write('ready')
      for (let i = 0; ; i++) await store.put('mask/' + i + '.png', body, { contentType: 'image/png', sha256 })`
    const child = execa(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, folder], {
      reject: false,
    })
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
    await new Promise((resolve) => setTimeout(resolve, 300))
    child.kill('SIGKILL')
    await child
    const store = directoryStore(folder)
    let count = 0
    for await (const { key, size } of store.list('')) {
      expect(size, key).toBe(3_000_000)
      count++
    }
    expect(count).toBeGreaterThan(0)
    expect((await readdir(join(folder, '.incoming'))).length).toBeLessThanOrEqual(1)
  })
})

describeWith('RMBG_TEST_S3_ENDPOINT')('the S3 store', () => {
  let bucket: string
  keepsTheContract(async () => {
    bucket = (await freshBucket()).bucket
    return s3Store({ bucket, endpoint: s3Endpoint! })
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

describeWith('RMBG_TEST_S3_ENDPOINT')('a bucket for each kind', () => {
  keepsTheContract(async () => {
    const open = async () => s3Store({ bucket: (await freshBucket()).bucket, endpoint: s3Endpoint! })
    return routedStore({ original: await open(), mask: await open(), processed: await open() })
  })
})

describe('keys', () => {
  it('follow from the job id alone', () => {
    const jobId = '01936f0a-3c00-7abc-8def-0123456789ab'
    expect(objectKey('mask', jobId, 'png')).toBe(`mask/2024/11/27/${jobId}.png`)
    expect(objectKey('original', uuidv7(), 'jpg')).toMatch(
      /^original\/20\d\d\/\d\d\/\d\d\/[0-9a-f-]{36}\.jpg$/,
    )
    expect(() => assertKey(objectKey('processed', jobId, 'webp'))).not.toThrow()
    for (const bad of ['../../x', '', '01936f0a-3c00-4abc-8def-0123456789ab']) {
      expect(() => objectKey('mask', bad, 'png')).toThrow(TypeError)
    }
    for (const bad of ['', 'p/g', '.png', 'PNG', 'a'.repeat(9)])
      expect(() => objectKey('mask', jobId, bad)).toThrow(TypeError)
  })

  it('tell the content type', () => {
    expect(['a/b.jpg', 'png', 'x.y.webp', 'bin'].map(contentTypeOf)).toEqual([
      'image/jpeg',
      'image/png',
      'image/webp',
      'application/octet-stream',
    ])
  })
})
