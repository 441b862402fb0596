/** A server that takes connections and closes them during the login: postgres.js would connect for ever. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type postgres from 'postgres'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { setDatabasePatience, withDatabase } from '../../src/database/errors.ts'
import { patience } from '../../src/system/patience.ts'

/** Of localhost, for a hundred years, and for nobody to trust. */
const tls = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUHt22XSAUjWgGE8VUSq6jx3N5q/IwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjExMDAxOFoYDzIxMjYxMTAy
MTEwMDE4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATA6XCfDEKO/gHzcBJOLumHF0HFxmX1zAf3i3ayNEaAWvXtdctAvbqd
szZOcICLlkMNFUlAa6oa14Hr+emLhPURo1MwUTAdBgNVHQ4EFgQUXFH6eh1H5pDb
JZYM/mCcMt+NATYwHwYDVR0jBBgwFoAUXFH6eh1H5pDbJZYM/mCcMt+NATYwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBp9zJXLVdw+99TFpYbb85I
CY0GSwygowJDf9VxyuzhWwIgZpk3EHw5wVrKYdgGyeHkgZlzTf1x45aOK9rfKTRl
YxA=
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6rHkaeBAFY32BV4R
UbmFquGd2/g+RtSCdVrJIno7NW+hRANCAATA6XCfDEKO/gHzcBJOLumHF0HFxmX1
zAf3i3ayNEaAWvXtdctAvbqdszZOcICLlkMNFUlAa6oa14Hr+emLhPUR
-----END PRIVATE KEY-----`,
}

const closeAfterStartup = (socket: Socket) => void socket.once('data', () => socket.end())

function closeAfterStartupInTls(socket: Socket): void {
  socket.once('data', () => {
    socket.write('S')
    const secure = new TLSSocket(socket, { isServer: true, ...tls })
    secure.on('error', () => {}).once('data', () => secure.end())
  })
}

/** @returns its port, and how many connections were made */
async function startServer(serve: (socket: Socket) => void) {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as { port: number }).port, connections: () => connections }
}

function connect(url: string): postgres.Sql {
  const { sql, close } = connectServer(url)
  onTestFinished(close)
  return sql
}

afterEach(() => setDatabasePatience(patience({ forMs: 60_000 })))

describe('a connection that the server closes during the login', () => {
  const lost = (port: number) => ({
    code: 'DATABASE_UNAVAILABLE',
    message: `The database server at 127.0.0.1:${port} cannot be reached: it closed the connection during the login.`,
  })

  it.each([
    ['plain', closeAfterStartup, ''],
    ['at once', (socket: Socket) => void socket.end(), ''],
    ['in TLS', closeAfterStartupInTls, '?sslmode=require'],
  ])('is an error after one try: %s', async (_, serve, options) => {
    setDatabasePatience(patience({ forMs: 0 }))
    const { port, connections } = await startServer(serve)
    const sql = connect(`postgres://u:p@127.0.0.1:${port}/x${options}`)
    for (const tries of [1, 2, 3]) {
      await expect(withDatabase(() => sql`select 1`)).rejects.toMatchObject(lost(port))
      expect(connections()).toBe(tries)
    }
  })

  it('is made again with growing pauses, for as long as patience lasts', async () => {
    setDatabasePatience(patience({ forMs: 2000 }))
    const { port, connections } = await startServer(closeAfterStartup)
    const sql = connect(`postgres://u:p@127.0.0.1:${port}/x`)
    const asked = Array.from({ length: 3 }, () => withDatabase(() => sql`select 1`))
    for (const outcome of await Promise.allSettled(asked))
      expect(outcome).toMatchObject({ status: 'rejected', reason: lost(port) })
    expect(connections()).toBeGreaterThan(3)
    expect(connections()).toBeLessThan(90)
  })

  it('is told in the words of the server that answers the request for TLS with an error', async () => {
    setDatabasePatience(patience({ forMs: 0 }))
    const fields = 'SFATAL\0C53300\0Msorry, too many clients already\0\0'
    const head = Buffer.from([...Buffer.from('E'), 0, 0, 0, fields.length + 4])
    const { port } = await startServer((socket) => {
      socket.once('data', () => socket.end(Buffer.concat([head, Buffer.from(fields)])))
    })
    const sql = connect(`postgres://u:p@127.0.0.1:${port}/x`)
    await expect(withDatabase(() => sql`select 1`)).rejects.toMatchObject({
      message: `The database server at 127.0.0.1:${port} has no connection left to give.`,
    })
  })

  it('costs no try where it is refused', async () => {
    setDatabasePatience(patience({ forMs: 0 }))
    const sql = connect('postgres://u:p@127.0.0.1:9/x')
    for (let tries = 0; tries < 15; tries++) {
      await expect(withDatabase(() => sql`select 1`)).rejects.toMatchObject({
        message: expect.stringContaining('ECONNREFUSED'),
      })
    }
  })
})
