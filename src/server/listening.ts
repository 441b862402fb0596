/** A server from its first connection to its last. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import { RmbgError } from '../errors.ts'
import type { Address } from './guard.ts'

export interface Listening {
  /** Where it listens, with the port that the system chose for port 0. */
  url: string
  /** Takes no new connection, waits for answers that are on their way, and ends connections as they become idle. */
  close(): Promise<void>
}

/**
 * @param flag that named the address, for the error
 * @throws RmbgError USAGE when the address cannot be listened at
 */
export async function listen(app: Hono, { host, port }: Address, flag: string): Promise<Listening> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const reason = code === 'EADDRINUSE' ? 'something else listens there' : code
    throw new RmbgError('USAGE', `The server cannot listen at ${host}:${port}: ${reason}.`, {
      hint: `Choose another port with ${flag}.`,
      cause,
    })
  }
  const bound = server.address() as { port: number }
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
    close: () => closed(server),
  }
}

async function closed(server: Server): Promise<void> {
  const ending = setInterval(() => server.closeIdleConnections(), 100)
  await new Promise((resolve) => server.close(resolve))
  clearInterval(ending)
}
