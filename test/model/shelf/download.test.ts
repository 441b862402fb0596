/** Fetching models from a server that does all that servers do. */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RmbgError } from '../../../src/errors.ts'
import { type PullOptions, pullModel } from '../../../src/model/shelf/pull.ts'
import { resolveModel } from '../../../src/model/shelf/registry.ts'
import { removeModel } from '../../../src/model/shelf/remove.ts'
import { verifyModels } from '../../../src/model/shelf/verify.ts'
import { takeLock } from '../../../src/system/lock.ts'
import { processOwner } from '../../../src/system/owner.ts'
import { temporaryFolder } from '../../support/cli.ts'

/** No digest and no size of it is known beforehand. */
const name = 'modnet'
const path = '/Xenova/modnet/resolve/main/onnx/model.onnx'
const content = randomBytes(300_000)
const digest = createHash('sha256').update(content).digest('hex')

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A server that hands out `content`, with ranges, unless told otherwise. */
async function serve(handle: Handler = whole): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    handle(request, response, requests.length)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, requests }
}

const whole: Handler = (request, response) => {
  if (request.url !== path) return void response.writeHead(404).end()
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
  const start = from !== undefined && request.headers['if-range'] === '"one"' ? Number(from) : 0
  response.writeHead(start > 0 ? 206 : 200, {
    etag: '"one"',
    'content-type': 'application/octet-stream',
    'content-length': content.length - start,
    ...(start > 0 && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
  })
  response.end(content.subarray(start))
}
/** Half of it, and the line goes dead. */
const cut = (response: ServerResponse, etag = '"one"') => {
  response.writeHead(200, { etag, 'content-length': content.length })
  response.write(content.subarray(0, 150_000), () => setTimeout(() => response.destroy(), 300))
}
const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Handler =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body)

async function setting(overrides: Partial<PullOptions> = {}) {
  const modelsFolder = await temporaryFolder()
  const options: PullOptions = {
    modelsFolder,
    endpoint: 'http://127.0.0.1:59999',
    acceptsLicense: async () => true,
    tryIt: async () => {},
    backoffMs: 20,
    ...overrides,
  }
  const left = async () => {
    const files = await readdir(modelsFolder, { recursive: true, withFileTypes: true })
    return files
      .filter((file) => file.isFile())
      .map(({ name: file }) => file)
      .sort()
  }
  return { options, modelsFolder, left }
}

async function refusal(promise: Promise<unknown>): Promise<RmbgError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'RmbgError', hint: expect.any(String) })
  expect(error.message).toMatch(/^[^\n]+\.$/)
  return error
}

describe('a model that is fetched', () => {
  it('is checked, recorded, found by its name, verified and removed', async () => {
    const { url } = await serve()
    const { options, modelsFolder, left } = await setting({ endpoint: `${url}/` })
    const seen: number[] = []
    const pulled = await pullModel(name, { ...options, onProgress: (received) => seen.push(received) })
    expect(pulled).toMatchObject({ sha256: digest, size: content.length, pinned: false, wasInstalled: false })
    expect(seen.at(0)).toBe(0)
    expect(seen.at(-1)).toBe(content.length)
    expect(await left()).toEqual(['fp32.onnx', 'fp32.origin.json'])
    expect(await readFile(pulled.file)).toEqual(content)
    expect(await resolveModel(name, { modelsFolder })).toMatchObject({
      name,
      variant: 'fp32',
      sha256: digest,
      inputSize: { width: 512, height: 512 },
    })
    expect(await verifyModels(modelsFolder, name)).toMatchObject([{ state: 'intact' }])
    expect(await pullModel(name, { ...options, endpoint: 'http://127.0.0.1:59999' })).toMatchObject({
      wasInstalled: true,
    })

    await writeFile(pulled.file, 'something else')
    expect(await verifyModels(modelsFolder, name)).toMatchObject([{ state: 'damaged' }])
    expect(await refusal(resolveModel(name, { modelsFolder }))).toMatchObject({ code: 'MODEL_DAMAGED' })
    await removeModel(modelsFolder, name)
    expect(await left()).toEqual([])
    expect(await refusal(resolveModel(name, { modelsFolder }))).toMatchObject({
      code: 'MODEL_MISSING',
      hint: 'Get it with: rmbg model pull modnet',
    })
  })

  it('is gone on with where the connection broke, within one try and in the next', async () => {
    const { url, requests } = await serve((request, response, count) =>
      count === 1 ? cut(response) : whole(request, response, count),
    )
    const { options } = await setting({ endpoint: url })
    expect(await pullModel(name, options)).toMatchObject({ sha256: digest })
    expect(requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]\d*-$/),
    ])

    const dead = await serve((_request, response) => cut(response))
    const second = await setting({ endpoint: dead.url })
    expect(await refusal(pullModel(name, second.options))).toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringMatching(
        /^The connection to 127\.0\.0\.1:\d+ broke off after [1-9]\d* of 300000 bytes/,
      ),
    })
    expect(await second.left()).toEqual(['fp32.onnx.part', 'fp32.onnx.part.etag'])
  })

  it('starts anew when the file on the server is another one, or nothing vouches for it', async () => {
    const changed = await serve((request, response, count) =>
      count === 1 ? cut(response, '"zero"') : whole(request, response, count),
    )
    expect(await pullModel(name, (await setting({ endpoint: changed.url })).options)).toMatchObject({
      sha256: digest,
    })
    const weak = await serve((request, response, count) =>
      count === 1 ? cut(response, 'W/"one"') : whole(request, response, count),
    )
    expect(await pullModel(name, (await setting({ endpoint: weak.url })).options)).toMatchObject({
      sha256: digest,
    })
    expect(weak.requests[1]!.headers.range).toBeUndefined()
  })

  it('rides out a server that is busy, broken, silent, or does not like the range', async () => {
    const faults: Handler[] = [
      answer(503),
      answer(429, { 'retry-after': '0' }),
      (_request, response) => cut(response),
      answer(416),
    ]
    for (const fault of faults) {
      const { url } = await serve((request, response, count) =>
        count === 1 ? fault(request, response, count) : whole(request, response, count),
      )
      expect(await pullModel(name, (await setting({ endpoint: url })).options)).toMatchObject({
        sha256: digest,
      })
    }
    const { url } = await serve((request, response, count) => count > 1 && whole(request, response, count))
    expect(await pullModel(name, (await setting({ endpoint: url, stallMs: 300 })).options)).toMatchObject({
      sha256: digest,
    })
  })

  it('comes through a proxy, except for the hosts that need none', async () => {
    const { url } = await serve()
    const tunnels: string[] = []
    const proxy = createServer().listen(0, '127.0.0.1')
    proxy.on('connect', (request, client) => {
      tunnels.push(request.url!)
      const [, port] = request.url!.split(':')
      const upstream = connect(Number(port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(client)
        client.pipe(upstream)
      })
      client.on('error', () => {})
      upstream.on('error', () => {})
    })
    await once(proxy, 'listening')
    onTestFinished(() => {
      vi.unstubAllEnvs()
      proxy.closeAllConnections()
      proxy.close()
    })
    vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${(proxy.address() as { port: number }).port}`)
    const { port } = new URL(url)
    const endpoint = `http://models.example:${port}`
    expect(await pullModel(name, (await setting({ endpoint })).options)).toMatchObject({ sha256: digest })
    expect(tunnels).toEqual([`models.example:${port}`])
    vi.stubEnv('NO_PROXY', '127.0.0.1')
    await pullModel(name, (await setting({ endpoint: url })).options)
    expect(tunnels).toHaveLength(1)
  })

  it('may lie here already', async () => {
    const { options, modelsFolder } = await setting()
    const from = join(modelsFolder, 'copy.bin')
    await writeFile(from, content)
    expect(await pullModel(name, { ...options, from })).toMatchObject({ sha256: digest, source: from })
    expect(await refusal(pullModel('u2net', { ...options, from }))).toMatchObject({ code: 'MODEL_DAMAGED' })
  })
})

describe('a token', () => {
  it('goes to the host it is for, and to no other it leads to', async () => {
    const other = await serve()
    const { url, requests } = await serve((request, response) => {
      const isKnown = request.headers.authorization === 'Bearer secret'
      // 127.0.0.1 and localhost are two hosts.
      answer(isKnown ? 302 : 401, { location: `${other.url.replace('127.0.0.1', 'localhost')}${path}` })(
        request,
        response,
        1,
      )
    })
    const { options } = await setting({ endpoint: url, token: 'secret' })
    expect(await pullModel(name, options)).toMatchObject({ sha256: digest })
    expect(requests[0]!.headers.authorization).toBe('Bearer secret')
    expect(other.requests[0]!.headers.authorization).toBeUndefined()
  })

  it('that is missing or refused is asked for, and never told', async () => {
    for (const status of [401, 403]) {
      const { url } = await serve(answer(status))
      const without = await refusal(pullModel(name, (await setting({ endpoint: url })).options))
      expect(without).toMatchObject({ code: 'MODEL_GATED', hint: expect.stringContaining('HF_TOKEN') })
      const refused = await refusal(
        pullModel(name, (await setting({ endpoint: url, token: 'secret' })).options),
      )
      expect(refused.message).toMatch(/refuses the token/)
      expect(`${refused.message}${refused.hint}${refused.stack}`).not.toContain('secret')
    }
  })
})

describe('a license that restricts use', () => {
  it('has to be accepted before anything is fetched, and who did is kept', async () => {
    const { url, requests } = await serve(answer(200, {}, 'tiny'))
    const { options, modelsFolder, left } = await setting({
      endpoint: url,
      acceptsLicense: async () => false,
    })
    expect(await refusal(pullModel('rmbg-2.0:int8', options))).toMatchObject({ code: 'MODEL_LICENSE' })
    expect(requests).toHaveLength(0)
    expect(await left()).toEqual([])
    await pullModel('rmbg-2.0:int8', { ...options, acceptsLicense: async () => true })
    const record = JSON.parse(await readFile(join(modelsFolder, 'rmbg-2.0/int8.origin.json'), 'utf8'))
    expect(record.license).toMatchObject({
      name: 'CC-BY-NC-4.0',
      acceptedBy: expect.any(String),
      acceptedAt: expect.stringMatching(/^\d{4}-/),
    })
  })
})

it('is not put together from two files', async () => {
  const other = randomBytes(content.length)
  const { url } = await serve((request, response, count) => {
    if (count === 1) return cut(response)
    if (count > 2) return whole(request, response, count)
    response.writeHead(206, {
      etag: '"two"',
      'content-range': `bytes 150000-299999/300000`,
      'content-length': 150_000,
    })
    response.end(other.subarray(150_000))
  })
  expect(await pullModel(name, (await setting({ endpoint: url })).options)).toMatchObject({ sha256: digest })
})

describe('what goes wrong is told in a sentence, and nothing half-written is left', () => {
  const failing = async (handle: Handler, model = name) => {
    const { url } = await serve(handle)
    const { options, left } = await setting({ endpoint: url })
    return { error: await refusal(pullModel(model, options)), left: await left() }
  }

  it('the file is not there', async () => {
    const { error, left } = await failing(answer(404))
    expect(error.message).toContain(`does not have ${path} (HTTP 404)`)
    expect(left).toEqual([])
  })

  it('a web page comes instead', async () => {
    const { error, left } = await failing(
      answer(200, { 'content-type': 'text/html; charset=utf-8' }, '<html>'),
    )
    expect(error.message).toContain('sent a web page instead of a model')
    expect(left).toEqual([])
  })

  it('the digest is wrong', async () => {
    const fake = Buffer.alloc(4_574_861, 7)
    const { modelsFolder, options, left } = await setting()
    const from = join(modelsFolder, 'fake.onnx')
    await writeFile(from, fake)
    const error = await refusal(pullModel('u2netp', { ...options, from }))
    expect(error).toMatchObject({
      code: 'MODEL_DAMAGED',
      message: expect.stringContaining('its digest is wrong'),
    })
    expect(await left()).toEqual(['fake.onnx'])
  })

  it('the file on the server is of another size than the one known', async () => {
    const { error, left } = await failing(answer(200, { 'content-length': '4' }, 'tiny'), 'rmbg-2.0')
    expect(error.message).toMatch(/offers a file of 4 bytes instead of 1024331469/)
    expect(left).toEqual([])
  })

  it('the server cannot be reached, nor its mirror', async () => {
    const { options, left } = await setting()
    expect((await refusal(pullModel(name, options))).message).toBe(
      '127.0.0.1:59999 cannot be reached (ECONNREFUSED).',
    )
    expect(await left()).toEqual([])
  })

  it('another process is fetching it', async () => {
    const { options, modelsFolder } = await setting({ endpoint: (await serve()).url })
    const release = await takeLock(join(modelsFolder, name, 'fp32.onnx.lock'), () => new Error('locked'))
    expect((await refusal(pullModel(name, options))).message).toBe(
      `Another process (${process.pid}) is fetching ${name} right now.`,
    )
    await release()
    const dead = { pid: 999999999, owner: processOwner().replace(/ \d+ /, ' 999999999 ') }
    await writeFile(join(modelsFolder, name, 'fp32.onnx.lock/dead.held'), JSON.stringify(dead))
    expect(await pullModel(name, options)).toMatchObject({ sha256: digest })
  })

  it('the disk is full, before or on the way', async ({ skip }) => {
    const mount = await temporaryFolder()
    const run = promisify(execFile)
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', mount]).catch(
      () => undefined,
    )
    skip(!mounted, 'only root can make a small disk')
    onTestFinished(async () => void (await run('umount', ['-l', mount])))
    const modelsFolder = join(mount, 'models')
    const full = await serve()
    const known = await refusal(
      pullModel(name, (await setting({ modelsFolder, endpoint: full.url })).options),
    )
    expect(known.message).toMatch(/^The disk of .* has \d+ KB free, and \d+ KB are needed\.$/)
    const unknown = await serve((_request, response) => void response.writeHead(200).end(content))
    const later = await refusal(
      pullModel(name, (await setting({ modelsFolder, endpoint: unknown.url })).options),
    )
    expect(later.message).toMatch(/^The disk of .* is full\.$/)
    await expect(stat(join(modelsFolder, name, 'fp32.onnx'))).rejects.toThrow('ENOENT')
  })

  it('the proxy is no URL', async () => {
    onTestFinished(() => void vi.unstubAllEnvs())
    vi.stubEnv('HTTP_PROXY', 'nonsense')
    const { options } = await setting()
    expect((await refusal(pullModel(name, options))).message).toBe('HTTPS_PROXY or HTTP_PROXY is not a URL.')
  })

  it('nobody knows the name', async () => {
    const { options } = await setting()
    for (const unknown of ['rmbg-9', 'rmbg-2.0:nope', 'rmbg-2.0:fp32:x', 'constructor']) {
      expect(await refusal(pullModel(unknown, options))).toMatchObject({ code: 'MODEL_MISSING' })
    }
  })
})
