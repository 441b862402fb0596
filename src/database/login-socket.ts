import { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** What postgres.js 3.4.9 gives to a maker of sockets; its types do not know it. */
interface ParsedOptions {
  host: string[]
  port: number[]
  /** A Unix socket. */
  path: string | false
  /** Retries go up with each failure and to 0 with each login. */
  shared: { retries: number }
}

/** The first byte of what a server says before it refuses a login (PostgreSQL: Message Formats, ErrorResponse). */
const errorResponse = 'E'.charCodeAt(0)

/**
 * Makes the sockets of a client, so that a server that closes the connection during the login is an error: postgres.js
 * 3.4.9 connects again at once and for ever, 600 times a second, and tells nobody (closed() in its connection.js).
 *
 * A connection that is gone although nobody logged in since it was made was closed during the login. The next one is
 * then not made: it fails.
 *
 * @returns for the option `socket` of postgres.js
 */
export function loginSockets(): (options: ParsedOptions) => Duplex {
  let unanswered: Socket[] = []
  let host = 0
  return ({ host: hosts, port: ports, path, shared }) => {
    if (shared.retries === 0) unanswered = []
    shared.retries ||= 1
    const place = { host: hosts[host % hosts.length]!, port: ports[host % ports.length]! }
    if (unanswered.some(({ destroyed }) => destroyed)) {
      unanswered = unanswered.filter(({ destroyed }) => !destroyed)
      return failed(path ? {} : { address: place.host, port: place.port })
    }
    host++
    // TLS in postgres.js checks the certificate against `host`.
    const socket = Object.assign(new Socket(), place)
    unanswered.push(socket)
    // postgres.js tells whoever asked of an error by itself, be it of the socket or said by the server.
    const told = () => {
      unanswered = unanswered.filter((one) => one !== socket)
    }
    socket.once('error', told)
    socket.on('data', (chunk) => {
      if (chunk[0] === errorResponse) told()
    })
    return path ? socket.connect(path) : socket.connect(place.port, place.host)
  }
}

function failed(place: { address?: string; port?: number }): Duplex {
  const error = Object.assign(new Error('it closed the connection during the login'), {
    code: 'CONNECTION_CLOSED',
    ...place,
  })
  // Not before the first write: postgres.js 3.4.9 would never write on that connection again.
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done(error) })
}
