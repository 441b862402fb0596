import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openWeb } from '../../src/process/inputs/web.ts'

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
    expect((await buffer(web.fetch(`http://${host}/x`))).equals(picture)).toBe(true)
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
    const fetching = buffer(opened().fetch(`http://anna:s%C3%A9cret@${host}/x`))
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
    await expect(buffer(opened().fetch(`http://${host}/x`))).rejects.toMatchObject(failure)
  })

  it('of a server that is busy comes at a later try', async () => {
    let tries = 0
    const { host } = await served((request, response) => {
      if (++tries < 3) return void response.writeHead(503).end()
      whole(request, response)
    })
    expect((await buffer(opened().fetch(`http://${host}/x`))).equals(picture)).toBe(true)
    expect(tries).toBe(3)
  })
})
