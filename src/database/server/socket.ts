/** One connection to a server, up to where PostgreSQL's login begins: TCP or a Unix socket, and TLS. */
import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls'
import type { Host, Server } from './resolve.ts'
import type { Tls } from './tls.ts'

/** A host, and whether to ask it for TLS. */
export interface Place {
  host: Host
  use: Tls['use']
}

/** What the login begins with when the first answer is no TLS, by the code of an error. */
export const withoutTls = 'SERVER_WITHOUT_TLS'

/** PostgreSQL: Message Formats, SSLRequest. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
/** ReadyForQuery outside of a transaction: the login is done. */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

/**
 * Connects, encrypted as `place` and the server's parameters say.
 *
 * @returns ready for the login; closed by the server before it is done, it fails
 * @throws what the system reports, with the address; CONNECT_TIMEOUT
 */
export async function openSocket({ host, use }: Place, server: Server): Promise<Socket> {
  const { socketPath: path, address, port } = host
  const socket = path === undefined ? connectTcp({ host: address, port }) : connectTcp({ path })
  // Of whatever socket it is in the end: one in TLS is the same connection.
  const timer = setTimeout(
    () => socket.destroy(failure('CONNECT_TIMEOUT', 'it did not answer in time')),
    server.connectTimeoutMs,
  )
  try {
    await once(socket, 'connect')
    if (path === undefined && server.keepAliveSeconds > 0)
      socket.setKeepAlive(true, server.keepAliveSeconds * 1000)
    const ready = path === undefined ? await encrypted(socket, host, use, server.tls) : socket
    // postgres.js names them when the server is silent.
    Object.assign(ready, { host: address, port })
    failOnEarlyEnd(ready, host)
    // Errors have a listener from here on; postgres.js adds its own.
    return ready.on('error', (error) => Object.assign(error, addressOf(host)))
  } catch (error) {
    socket.destroy()
    throw Object.assign(error as Error, addressOf(host))
  } finally {
    clearTimeout(timer)
  }
}

/** For sentences. */
const addressOf = ({ address, port, socketPath }: Host): { address: string; port?: number } =>
  socketPath === undefined ? { address, port } : { address: socketPath }

const failure = (code: string, message: string): Error => Object.assign(new Error(message), { code })

async function encrypted(socket: Socket, host: Host, use: Tls['use'], tls: Tls): Promise<Socket> {
  if (use === 'never' || use === 'avoided') return socket
  if (!tls.direct) {
    const isSpoken = await speaksTls(socket)
    if (!isSpoken && use === 'preferred') return socket
    if (!isSpoken) throw failure(withoutTls, 'it speaks no TLS, and sslmode asks for it')
  }
  const secure = connectTls({ socket, ...tlsOptions(host, tls) })
  try {
    await once(secure, 'secureConnect')
  } catch (error) {
    // A connection that ends in the handshake is said to be closed "before secure TLS connection was established".
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
    throw failure('CONNECTION_CLOSED', 'it closed the connection in the handshake of TLS')
  }
  return secure
}

/**
 * Asks whether the server speaks TLS.
 *
 * @throws what it says instead, such as that it takes no more connections
 */
async function speaksTls(socket: Socket): Promise<boolean> {
  const early = () =>
    socket.destroy(failure('CONNECTION_CLOSED', 'it closed the connection during the login'))
  socket.once('end', early)
  socket.write(sslRequest)
  try {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    const answer = chunk.toString('latin1', 0, 1)
    // More than one byte cannot be the server's: somebody put it before the encrypted ones (CVE-2021-23222).
    if ((answer === 'S' || answer === 'N') && chunk.length === 1) return answer === 'S'
    throw answer === 'E'
      ? saidError(chunk)
      : failure('CONNECTION_CLOSED', 'it does not answer as PostgreSQL does')
  } finally {
    socket.removeListener('end', early)
  }
}

/** PostgreSQL: Message Formats, ErrorResponse: fields of a letter and a text each. */
function saidError(chunk: Buffer): Error {
  const fields = chunk.toString('utf8', 5).split('\0')
  const field = (letter: string) => fields.find((each) => each.startsWith(letter))?.slice(1)
  return failure(field('C') ?? 'CONNECTION_CLOSED', field('M') ?? 'it answered with an error')
}

/**
 * postgres.js 3.4.9 gives no server name to addresses, and Node then compares the certificate with "localhost". So the
 * comparison is made here, with the host as it was given.
 */
function tlsOptions({ name }: Host, { check, direct, sni, secure }: Tls): ConnectionOptions {
  return {
    ...secure,
    ...(sni && isIP(name) === 0 && { servername: name }),
    ...(direct && { ALPNProtocols: ['postgresql'] }),
    rejectUnauthorized: check !== 'nothing',
    checkServerIdentity: (_, certificate) =>
      check === 'name' ? checkServerIdentity(name, certificate) : undefined,
  }
}

/**
 * A server that closes the connection before the login is done is an error: postgres.js 3.4.9 connects again at once
 * and for ever, 600 times a second, and tells nobody (closed() in its connection.js). What the server says before it
 * closes, postgres.js tells.
 */
function failOnEarlyEnd(socket: Socket, host: Host): void {
  const early = () =>
    socket.destroy(
      Object.assign(
        failure('CONNECTION_CLOSED', 'it closed the connection during the login'),
        addressOf(host),
      ),
    )
  const look = (chunk: Buffer) => {
    if (!chunk.includes(readyForQuery)) return
    socket.removeListener('end', early).removeListener('data', look)
  }
  socket.once('end', early).on('data', look)
}

/** In the place of a connection that could not be made: postgres.js 3.4.9 keeps a client waiting whose maker fails. */
export function failedSocket(error: unknown): Duplex {
  // Not before the first write: postgres.js 3.4.9 would never write on that connection again.
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done(error as Error) })
}
