/** A review from the first page to the last. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { closePixelThreads } from '../cutout/pool.ts'
import type { JobFilter } from '../database/filters.ts'
import { listen } from '../server/listening.ts'
import { reviewApp } from './app.ts'
import type { Start } from './contract.ts'
import { readPageFiles } from './page-files.ts'
import { openPictures, tidyPictures } from './pictures.ts'
import { openRemakes, type RemakeOptions, type RemakeServices } from './remake.ts'

export interface ReviewOptions extends RemakeOptions {
  filter: JobFilter
  /** 0 takes a free one. */
  port: number
  /** For small pictures, absolute. */
  cache: string
  filters: Start['filters']
  models: Start['models']
  /** Told the address, once somebody can be let in. */
  onListening: (url: string) => void
}

export type ReviewServices = RemakeServices

/**
 * Serves the pages until the signal aborts, and finishes what is in work.
 *
 * @throws RmbgError USAGE when the port is taken
 */
export async function serveReview(services: ReviewServices, options: ReviewOptions): Promise<void> {
  const { signal, who, filters, models, filter } = options
  const token = randomBytes(24).toString('base64url')
  const cache = join(options.cache, 'thumbnails')
  const app = reviewApp({
    token,
    filter,
    database: services.database,
    pictures: openPictures(services, cache),
    remakes: openRemakes(services, options),
    files: await readPageFiles(),
    start: { who, filters, models },
  })
  const { url, close } = await listen(app, { host: '127.0.0.1', port: options.port }, '--port')
  options.onListening(`${url}/${token}/`)
  const tidied = tidyPictures(services.database, cache, signal).catch(() => {})
  if (!signal.aborted) await once(signal, 'abort')
  await close()
  await tidied
  await closePixelThreads()
  await services.database.flush()
}
