import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openWeb } from '../../src/process/inputs/web.ts'
import { patience } from '../../src/system/patience.ts'

/** A server of one test. @returns its address, and what it was asked */
async function served(answer: RequestListener) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.closeAllConnections())
  onTestFinished(() => void server.close())
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

function opened() {
  const web = openWeb({ stallMs: 2000, backoffMs: 1 })
  onTestFinished(() => web.close())
  return web
}

const picture = Buffer.from('bytes of a picture')
const whole: RequestListener = ({ method }, response) => {
  response.writeHead(200, {
    'content-length': picture.length,
    etag: '"one"',
    'last-modified': new Date(5000).toUTCString(),
  })
  response.end(method === 'HEAD' ? undefined : picture)
}

describe('a picture on the web', () => {
  it('is looked at without being fetched, and fetched whole', async () => {
    const { host, asked } = await served(whole)
    const web = opened()
    expect(await web.look(`http://${host}/x`)).toEqual({ size: 18, etag: '"one"', modifiedMs: 5000 })
    expect(asked.map(({ method }) => method)).toEqual(['HEAD'])
    expect((await web.fetch(`http://${host}/x`, buffer)).equals(picture)).toBe(true)
  })

  it('that is signed for reading alone is looked at by its first byte', async () => {
    const { host } = await served(({ method, headers }, response) => {
      if (method === 'HEAD') return void response.writeHead(403).end()
      expect(headers.range).toBe('bytes=0-0')
      response.writeHead(206, { 'content-range': 'bytes 0-0/18', etag: '"one"' }).end('b')
    })
    expect(await opened().look(`http://${host}/x`)).toMatchObject({ size: 18, etag: '"one"' })
  })

  it('gets user and password, and no other server does', async () => {
    const other = await served(whole)
    const { host, asked } = await served((_, response) => {
      response.writeHead(302, { location: `http://${other.host}/y` }).end()
    })
    // The other server is in a private network, too: nothing at all is asked there.
    const fetching = opened().fetch(`http://anna:s%C3%A9cret@${host}/x`, buffer)
    await expect(fetching).rejects.toMatchObject({ message: expect.stringContaining('in a private network') })
    expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('anna:sécret').toString('base64')}`)
    expect(other.asked).toEqual([])
  })

  it.each<[string, RequestListener, { code: string; message?: unknown }]>([
    ['is not there', (_, response) => void response.writeHead(404).end(), { code: 'INPUT_NOT_FOUND' }],
    ['may not be read', (_, response) => void response.writeHead(401).end(), { code: 'INPUT_UNREADABLE' }],
    [
      'is cut off',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('some')
        setImmediate(() => response.destroy())
      },
      { code: 'INPUT_UNREADABLE', message: expect.stringContaining('did not send all of it') },
    ],
    [
      'is not what its checksum says',
      (_, response) => {
        response.writeHead(200, { 'content-md5': Buffer.alloc(16).toString('base64') }).end(picture)
      },
      { code: 'INPUT_UNREADABLE', message: expect.stringContaining('checksum') },
    ],
    [
      'redirects for ever',
      (_, response) => void response.writeHead(301, { location: '/again' }).end(),
      { code: 'INPUT_UNREADABLE', message: expect.stringContaining('redirects more than 5 times') },
    ],
    [
      'redirects to a file',
      (_, response) => void response.writeHead(301, { location: 'file:///etc/passwd' }).end(),
      { code: 'INPUT_UNREADABLE' },
    ],
  ])('that %s fails with a sentence', async (_, answer, failure) => {
    const { host } = await served(answer)
    await expect(opened().fetch(`http://${host}/x`, buffer)).rejects.toMatchObject(failure)
  })

  it('of a server that is busy comes at a later try, and so does one that was cut off', async () => {
    let tries = 0
    const { host } = await served((request, response) => {
      if (++tries < 3) return void response.writeHead(503).end()
      if (tries > 3) return whole(request, response)
      response.writeHead(200, { 'content-length': picture.length })
      response.write('some')
      setImmediate(() => response.destroy())
    })
    expect((await opened().fetch(`http://${host}/x`, buffer)).equals(picture)).toBe(true)
    expect(tries).toBe(4)
  })
})

describe('a server that is busy or away', () => {
  function patient(forMs: number) {
    const news: string[] = []
    const web = openWeb({
      ...{ stallMs: 2000, backoffMs: 1 },
      patience: () => patience({ forMs, tell: ({ message }) => news.push(message) }),
    })
    onTestFinished(() => web.close())
    return { web, news }
  }

  it('is asked again for as long as there is patience', async () => {
    let tries = 0
    const { host } = await served((request, response) => {
      if (++tries <= 6) return void response.writeHead(tries % 2 ? 503 : 429).end()
      whole(request, response)
    })
    const { web, news } = patient(60_000)
    expect((await web.fetch(`http://${host}/x`, buffer)).equals(picture)).toBe(true)
    expect(tries).toBe(7)
    expect(news).toEqual([
      `${host} is busy or broken (HTTP 429). Waiting up to 1 minute for ${host}.`,
      `${host} answers again.`,
    ])
  })

  it('that is not there yet is waited for', async () => {
    const { web, news } = patient(60_000)
    const server = createServer(whole).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const looking = web.look(`http://127.0.0.1:${port}/x`)
    await vi.waitUntil(() => news.length > 0, { timeout: 30_000 })
    server.listen(port, '127.0.0.1')
    onTestFinished(() => void server.close().closeAllConnections())
    expect(await looking).toMatchObject({ size: 18 })
    expect(news[0]).toContain(`127.0.0.1:${port} cannot be reached (ECONNREFUSED). Waiting up to 1 minute`)
  })

  it('is left alone for as long as it asks', async () => {
    const at: number[] = []
    const { host } = await served((request, response) => {
      at.push(Date.now())
      if (at.length === 1) return void response.writeHead(429, { 'retry-after': '1' }).end()
      whole(request, response)
    })
    await patient(60_000).web.look(`http://${host}/x`)
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(1000)
  })

  it('and asks for more time than there is patience is not asked again', async () => {
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString()
    const { host, asked } = await served((_, response) => {
      response.writeHead(503, { 'retry-after': inAnHour }).end()
    })
    await expect(patient(60_000).web.look(`http://${host}/x`)).rejects.toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: expect.stringMatching(
        /busy or broken \(HTTP 503\)\. It asks to be left alone for 3\d{3} s\.$/,
      ),
    })
    expect(asked).toHaveLength(1)
  })

  it.each([403, 404])('is not waited for where it refuses: %d', async (status) => {
    const { host, asked } = await served((_, response) => void response.writeHead(status).end())
    const { web, news } = patient(60_000)
    await expect(web.fetch(`http://${host}/x`, buffer)).rejects.toMatchObject({
      message: expect.stringContaining(`HTTP ${status}`),
    })
    expect(asked).toHaveLength(1)
    expect(news).toEqual([])
  })
})
