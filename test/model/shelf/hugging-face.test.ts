/** Hugging Face as it answers: gates, redirects to where the bytes are, and what its tools leave on a machine. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { cachedCopy, gateOf, loginToken } from '../../../src/model/shelf/hugging-face.ts'
import { fetchableModels } from '../../../src/model/shelf/known.ts'
import { offerOf } from '../../../src/model/shelf/offers.ts'
import { installModel, type PullOptions, pullModel } from '../../../src/model/shelf/pull.ts'
import { huggingFace } from '../../../src/model/shelf/sources.ts'
import { temporaryFolder } from '../../support/cli.ts'

const content = randomBytes(5000)
const page = 'https://huggingface.co/briaai/RMBG-2.0'
const restricted = 'Access to model briaai/RMBG-2.0 is restricted and you are not in the authorized list.'

/** A hub with one gated file; accounts are told apart by their token. The bytes are on another host. */
async function hub() {
  const requests: IncomingMessage[] = []
  const listen = async (handle: Parameters<typeof createServer>[1]) => {
    const server = createServer(handle as never).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return (server.address() as { port: number }).port
  }
  const cdn = await listen((request, response) => {
    requests.push(request)
    response.writeHead(200, { etag: '"x"', 'content-length': content.length })
    response.end(request.method === 'HEAD' ? undefined : content)
  })
  const port = await listen((request, response) => {
    requests.push(request)
    const token = request.headers.authorization?.replace('Bearer ', '')
    const answer = (status: number, message: string, code?: string) =>
      void response
        .writeHead(status, { 'x-error-message': message, ...(code && { 'x-error-code': code }) })
        .end(message)
    if (token === undefined)
      return answer(401, `Access to model briaai/RMBG-2.0 is restricted. Please log in.`, 'GatedRepo')
    if (token === 'stranger') return answer(403, restricted, 'GatedRepo')
    if (token !== 'friend') return answer(401, 'Invalid credentials in Authorization header')
    response
      .writeHead(302, {
        location: `http://localhost:${cdn}/blob`,
        'x-linked-size': content.length,
        'x-linked-etag': '"digest"',
      })
      .end()
  })
  return { endpoint: `http://127.0.0.1:${port}`, bytesAt: `http://localhost:${cdn}`, requests }
}

const source = huggingFace('briaai/RMBG-2.0', 'onnx/model_int8.onnx')

/** A home of Hugging Face's tools; nothing of the machine's own is looked at. */
async function toolsHome(): Promise<string> {
  const home = await temporaryFolder()
  vi.stubEnv('HF_HOME', home)
  vi.stubEnv('HF_HUB_CACHE', undefined)
  vi.stubEnv('HF_TOKEN_PATH', undefined)
  onTestFinished(() => void vi.unstubAllEnvs())
  return home
}

async function write(file: string, bytes: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, bytes)
}

async function options(overrides: Partial<PullOptions>): Promise<PullOptions> {
  return {
    modelsFolder: await temporaryFolder(),
    endpoint: 'http://127.0.0.1:59999',
    acceptsLicense: async () => true,
    tryIt: async () => {},
    backoffMs: 20,
    ...overrides,
  }
}

describe('whether a gated file would be handed out', () => {
  it('is asked by HEAD, and told in the server’s own words', async () => {
    const { endpoint, requests } = await hub()
    const ask = (token?: string) => gateOf(source, { endpoint, token, termsPage: page })
    expect(await ask('friend')).toBeUndefined()
    expect(await ask()).toMatchObject({
      code: 'MODEL_GATED',
      message: expect.stringMatching(/only to those who accepted its terms \(HTTP 401: .*Please log in\)\.$/),
      hint: expect.stringContaining('HF_TOKEN'),
    })
    expect(await ask('stranger')).toMatchObject({
      message: `The token is good, but its account has not accepted the terms of this model (HTTP 403: ${restricted.slice(0, -1)}).`,
      hint: `Accept them at ${page} with the same account, and run this again.`,
    })
    expect(await ask('mistyped')).toMatchObject({
      message: expect.stringMatching(
        /refuses the token \(HTTP 401: Invalid credentials in Authorization header\)\.$/,
      ),
    })
    expect(requests.every(({ method }) => method === 'HEAD')).toBe(true)
  })

  it('is said of a download, too', async () => {
    await toolsHome()
    const { endpoint } = await hub()
    const pulling = pullModel('rmbg-2.0:int8', await options({ endpoint, token: 'stranger' }))
    await expect(pulling).rejects.toMatchObject({ message: expect.stringContaining(restricted.slice(0, -1)) })
  })

  it('cannot be known of a server that does not answer', async () => {
    const endpoint = 'http://127.0.0.1:59999'
    expect(await gateOf(source, { endpoint, termsPage: page })).toEqual({
      reason: '127.0.0.1:59999 cannot be reached (ECONNREFUSED)',
    })
  })
})

describe('the login of Hugging Face’s own tools', () => {
  it('is used for a gated model when no token is set, and goes to no other host', async () => {
    const home = await toolsHome()
    await write(join(home, 'token'), 'friend\n')
    const { endpoint, requests } = await hub()
    expect(await pullModel('rmbg-2.0:int8', await options({ endpoint }))).toMatchObject({
      size: content.length,
    })
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer friend', undefined])
    await expect(
      pullModel('rmbg-2.0:int8', await options({ endpoint, token: 'mistyped' })),
    ).rejects.toMatchObject({
      code: 'MODEL_GATED',
    })
  })

  it('is not used where none is needed', async () => {
    const home = await toolsHome()
    await write(join(home, 'token'), 'friend')
    const { endpoint, requests } = await hub()
    await expect(pullModel('modnet', await options({ endpoint }))).rejects.toMatchObject({
      code: 'MODEL_GATED',
    })
    expect(requests[0]!.headers.authorization).toBeUndefined()
  })

  it('is found where the tools keep it', async () => {
    const home = await temporaryFolder()
    await write(join(home, 'huggingface/token'), 'one')
    await write(join(home, 'elsewhere'), 'two\n')
    expect(await loginToken({ XDG_CACHE_HOME: home })).toBe('one')
    expect(await loginToken({ HF_TOKEN_PATH: join(home, 'elsewhere') })).toBe('two')
    expect(await loginToken({ HF_HOME: home })).toBeUndefined()
    await write(join(home, 'token'), 'not a token')
    expect(await loginToken({ HF_HOME: home })).toBeUndefined()
  })
})

describe('a file that Hugging Face’s tools have fetched before', () => {
  const model = fetchableModels['rmbg-2.0']!
  const sha256 = createHash('sha256').update(content).digest('hex')
  const known = {
    ...model,
    variants: { fp32: { sources: [source] as [typeof source], size: content.length, sha256 } },
  }
  const wanted = { name: 'made-up', model: known, variant: 'fp32' }

  it('is taken from there, without a request', async () => {
    const home = await toolsHome()
    const blob = join(home, `hub/models--briaai--RMBG-2.0/blobs/${sha256}`)
    await write(blob, content)
    expect(await installModel(wanted, await options({}))).toMatchObject({ source: blob, sha256 })
  })

  it('counts by its content alone', async () => {
    const home = await toolsHome()
    await write(join(home, `hub/models--briaai--RMBG-2.0/blobs/${sha256}`), randomBytes(5000))
    await expect(installModel(wanted, await options({}))).rejects.toMatchObject({ code: 'MODEL_DOWNLOAD' })
    const { endpoint } = await hub()
    expect(await installModel(wanted, await options({ endpoint, token: 'friend' }))).toMatchObject({ sha256 })
  })

  it('is found by its name in a revision as well', async () => {
    const home = await temporaryFolder()
    const file = join(home, 'hub/models--briaai--RMBG-2.0/snapshots/abc/onnx/model_int8.onnx')
    expect(await cachedCopy(source, undefined, { HF_HOME: home })).toBeUndefined()
    await write(file, content)
    expect(await cachedCopy(source, undefined, { HF_HOME: home })).toBe(file)
    expect(await cachedCopy(source, undefined, { HF_HUB_CACHE: join(home, 'hub') })).toBe(file)
  })
})

describe('what setup offers', () => {
  it('says whether it is installed, can be had, is gated or out of reach', async () => {
    await toolsHome()
    const { endpoint } = await hub()
    const modelsFolder = await temporaryFolder()
    const state = async (name: string, token?: string, from = endpoint) =>
      (await offerOf(name, { modelsFolder, endpoint: from, token })).availability
    expect(await state('rmbg-2.0', 'friend')).toEqual({ state: 'reachable', from: new URL(endpoint).host })
    expect(await state('rmbg-1.4', 'stranger')).toMatchObject({
      state: 'gated',
      error: { code: 'MODEL_GATED' },
    })
    expect(await state('rmbg-1.4', 'friend', 'http://127.0.0.1:59999')).toEqual({
      state: 'unreachable',
      reason: '127.0.0.1:59999 cannot be reached (ECONNREFUSED)',
    })
    await pullModel('rmbg-2.0:int8', await options({ endpoint, token: 'friend', modelsFolder }))
    expect(await state('rmbg-2.0:int8')).toEqual({ state: 'installed' })
  })
})

it('a model may come from any URL, whose signature is not kept', async () => {
  const { bytesAt } = await hub()
  expect(
    await pullModel('modnet', await options({ from: `${bytesAt}/m.onnx?signature=secret` })),
  ).toMatchObject({
    source: `${bytesAt}/m.onnx`,
    size: content.length,
  })
  await expect(pullModel('modnet', await options({ from: 'http://u:p@127.0.0.1/x' }))).rejects.toMatchObject({
    code: 'USAGE',
  })
})
