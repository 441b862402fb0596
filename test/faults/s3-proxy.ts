/** A way to the test store on which things go wrong, for every n-th request or for good. */
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownerKey } from '../../src/store/owner.ts'
import { s3Endpoint } from '../support/servers.ts'

export const faults = {
  'internal error': refusal(500, 'InternalError'),
  'slow down': refusal(503, 'SlowDown'),
  'expired token': refusal(403, 'ExpiredToken'),
  'unknown key': refusal(403, 'InvalidAccessKeyId'),
  'wrong clock': refusal(403, 'RequestTimeTooSkewed'),
  'no bucket': refusal(404, 'NoSuchBucket'),
  'no room': refusal(403, 'QuotaExceeded'),

  /** Every connection is taken and reset, as by a proxy whose server is away. */
  reset: async ({ incoming }) => void incoming.socket.resetAndDestroy(),
  'bad gateway': async ({ incoming, answer }) => {
    await buffer(incoming)
    answer.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502 Bad Gateway</h1>')
  },
  /** The connection is reset in the middle of the body: of the request where it has one, else of the answer. */
  'reset mid-body': async ({ incoming, answer }) => {
    if (hasBody(incoming)) {
      await Promise.race([once(incoming, 'data'), once(incoming, 'end')])
      return void incoming.socket.resetAndDestroy()
    }
    const { head, body } = await forward(incoming)
    answer.writeHead(head.statusCode!, head.headers)
    answer.write(body.subarray(0, body.length / 2), () => incoming.socket.resetAndDestroy())
  },
  /** Nothing comes: no answer to a request with a body, and to others half of one. */
  stall: async ({ incoming, answer }) => {
    if (hasBody(incoming)) return void incoming.resume()
    const { head, body } = await forward(incoming)
    answer.writeHead(head.statusCode!, head.headers)
    answer.write(body.subarray(0, body.length / 2))
  },
  /** Nothing comes for as long as the fault lasts; then it is answered after all. */
  silent: async ({ incoming, answer, over }) => {
    await over
    const { head, body } = await forward(incoming)
    answer.writeHead(head.statusCode!, head.headers).end(body)
  },
  /** Carried out, but the answer ends before its announced length. */
  truncated: async ({ incoming, answer }) => {
    const { head, body } = await forward(incoming)
    answer.writeHead(head.statusCode!, { ...head.headers, 'content-length': String(body.length || 100) })
    answer.write(body.subarray(0, body.length / 2))
    answer.socket!.end()
  },
  /** The answer is shorter than the object, and says nothing of it. */
  shorter: async ({ incoming, answer }) => {
    const { head, body } = await forward(incoming)
    const half = body.subarray(0, body.length / 2)
    answer.writeHead(head.statusCode!, { ...head.headers, 'content-length': String(half.length) }).end(half)
  },
  /** One byte of the body arrives as another one, on the way there or on the way back. */
  'flipped byte': async ({ incoming, answer }) => {
    const { head, body } = await forward(incoming, flipped)
    answer.writeHead(head.statusCode!, head.headers).end(hasBody(incoming) ? body : flipped(body))
  },
  /** The server says that it has something else than what was sent. */
  'wrong ETag': async ({ incoming, answer }) => {
    const { head, body } = await forward(incoming)
    answer.writeHead(head.statusCode!, { ...head.headers, etag: `"${'0'.repeat(32)}"` }).end(body)
  },
} satisfies Record<string, (exchange: Exchange) => Promise<void>>

export type FaultKind = keyof typeof faults

export interface Fault {
  kind: FaultKind
  /** All methods unless given. */
  method?: 'GET' | 'PUT' | 'HEAD'
  /** Which of the requests, counted from when the fault was set: 1 for good, 5 the 5th, 10th, 15th and so on. */
  every: number
  /** Requests that are let through before. */
  after?: number
  /** Also the listing by which a run looks whether the store is there, and the look at whose it is. */
  ofAll?: boolean
}

interface Exchange {
  incoming: IncomingMessage
  answer: ServerResponse
  /** Resolves when the fault has ended. */
  over: Promise<unknown>
}

export interface StoreProxy {
  /** In the place of S3_ENDPOINT. */
  url: string
  /** From now on; `undefined` ends it. */
  fault: Fault | undefined
  /** How often the fault was met since it was set. */
  met: number
  /** Milliseconds that every request takes longer. */
  delayMs: number
  /** Takes no connection for so long, as a server that is restarted. */
  away: (ms: number) => Promise<void>
  readonly isAway: boolean
  close: () => Promise<void>
}

/** In front of the test store. Signatures cover the host the client spoke to, so it is passed on as it is. */
export async function startStoreProxy(): Promise<StoreProxy> {
  let fault: Fault | undefined
  let seen = 0
  let end = new EventEmitter().setMaxListeners(0)
  const server = createServer(async (incoming, answer) => {
    incoming.on('error', () => {})
    try {
      if (proxy.delayMs > 0) await sleep(proxy.delayMs)
      const wanted = fault
      if (
        wanted &&
        (wanted.ofAll || isObject(incoming)) &&
        (wanted.method ?? incoming.method) === incoming.method
      ) {
        const turn = ++seen - (wanted.after ?? 0)
        if (turn > 0 && turn % wanted.every === 0) {
          proxy.met++
          return await faults[wanted.kind]({ incoming, answer, over: once(end, 'end') })
        }
      }
      const { head, body } = await forward(incoming)
      answer.writeHead(head.statusCode!, head.headers).end(body)
    } catch {
      incoming.socket.destroy()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const proxy: StoreProxy = {
    url: `http://127.0.0.1:${port}`,
    get fault() {
      return fault
    },
    set fault(next) {
      end.emit('end')
      end = new EventEmitter().setMaxListeners(0)
      fault = next
      seen = 0
      proxy.met = 0
    },
    met: 0,
    delayMs: 0,
    away: async (ms) => {
      await close()
      await sleep(ms)
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    get isAway() {
      return !server.listening
    },
    close,
  }
  return proxy
}

/** Neither the listing by which a run looks, before it begins, whether the store is there, nor the look at whose it is. */
const isObject = ({ url, method }: IncomingMessage): boolean =>
  method === 'POST' || (/^\/[^/?]+\/[^?]/.test(url!) && !url!.includes(ownerKey))

const hasBody = ({ method }: IncomingMessage): boolean => method === 'PUT' || method === 'POST'

function flipped(body: Buffer): Buffer {
  const other = Buffer.from(body)
  if (other.length > 0) other[other.length >> 1]! ^= 1
  return other
}

async function forward(incoming: IncomingMessage, change = (body: Buffer): Buffer => body) {
  const target = new URL(s3Endpoint!)
  const { method, url, headers } = incoming
  const body = await buffer(incoming)
  const outgoing = request({ host: target.hostname, port: target.port, method, path: url, headers })
  outgoing.end(change(body))
  const [head] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { head, body: await buffer(head) }
}

function refusal(status: number, code: string) {
  return async ({ incoming, answer }: Exchange): Promise<void> => {
    await buffer(incoming)
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
    answer
      .writeHead(status, { 'content-type': 'application/xml' })
      .end(incoming.method === 'HEAD' ? '' : body)
  }
}
