/** A server from its first breath to its last. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { RmbgError } from '../errors.ts'
import { modelName } from '../model/contract.ts'
import type { BatchServices } from '../process/contract.ts'
import { openCutoutService } from '../process/cutout-service.ts'
import { openSpill } from '../system/spill.ts'
import { type AppOptions, serverApp } from './app.ts'
import type { Address } from './guard.ts'

export interface ServeOptions extends Pick<AppOptions, 'usual' | 'token' | 'maxBody' | 'maxWaiting'> {
  address: Address
  /** `signal` ends the serving: what is in work is finished. */
  service: Parameters<typeof openCutoutService>[1]
}

/**
 * Loads the model, serves until the signal aborts, and finishes what is in work.
 *
 * @throws RmbgError USAGE when the address cannot be listened at; of families `model` and `database`
 */
export async function serve(services: BatchServices, options: ServeOptions): Promise<void> {
  const { address, service: batch } = options
  const { signal, onEvent, concurrency } = batch
  if (services.masks !== 'from-store') {
    const { spec, provider } = await services.masks.model()
    onEvent({
      type: 'model',
      model: modelName(spec),
      provider,
    })
  }
  const service = await openCutoutService(services, batch)
  const spill = openSpill()
  const check = async () => {
    await services.database.sql`select 1`
    await services.store.check(signal)
  }
  const app = serverApp({ ...options, service, spill, concurrency, check })
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  try {
    await listen(server, address)
    const { port } = server.address() as { port: number }
    const url = `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
    onEvent({
      type: 'notice',
      code: 'serving',
      url,
      message: `Listening at ${url}. POST pictures to /v1/cutouts. Ctrl-C ends it in order.`,
    })
    if (!signal.aborted) await once(signal, 'abort')
    await closed(server)
  } finally {
    await service.close()
    await spill.close()
  }
}

/**
 * @param flag that names the port
 * @throws RmbgError USAGE when the address cannot be listened at
 */
export async function listen(server: Server, { host, port }: Address, flag = '--listen'): Promise<void> {
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
}

/** Takes no new connection, waits for answers that are on their way, and ends connections as they become idle. */
export async function closed(server: Server): Promise<void> {
  const ending = setInterval(() => server.closeIdleConnections(), 100)
  await new Promise((resolve) => server.close(resolve))
  clearInterval(ending)
}
