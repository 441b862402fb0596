/** A server from its first breath to its last. */
import { once } from 'node:events'
import { modelName } from '../model/contract.ts'
import type { BatchServices } from '../process/contract.ts'
import { openCutoutService } from '../process/cutout-service.ts'
import { openSpill } from '../system/spill.ts'
import { type AppOptions, serverApp } from './app.ts'
import type { Address } from './guard.ts'
import { listen } from './listening.ts'

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
  try {
    const { url, close } = await listen(app, address, '--listen')
    onEvent({
      type: 'notice',
      code: 'serving',
      url,
      message: `Listening at ${url}. POST pictures to /v1/cutouts. Ctrl-C ends it in order.`,
    })
    if (!signal.aborted) await once(signal, 'abort')
    await close()
  } finally {
    await service.close()
    await spill.close()
  }
}
