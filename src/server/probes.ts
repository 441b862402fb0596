/** What looks after containers asks, and may ask without a token: the answers tell nothing. */
import type { Hono } from 'hono'
import { RmbgError } from '../errors.ts'

/** @param check throws while no work can be taken */
export function addProbes(app: Hono, check: () => Promise<void>): void {
  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', async (c) => {
    try {
      await check()
      return c.text('ready\n')
    } catch (error) {
      return c.text(`${error instanceof RmbgError ? error.code : 'UNEXPECTED'}\n`, 503)
    }
  })
}
