import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type { Matte } from '../model/contract.ts'
import { threadEntry } from '../thread.ts'
import type { CompositeTask, Cutout } from './composite.ts'
import type { DecodedImage } from './decode.ts'

export type { Cutout } from './composite.ts'

let threads: Piscina<CompositeTask, Cutout> | undefined

function pixelThreads(): Piscina<CompositeTask, Cutout> {
  if (threads) return threads
  const { url, execArgv } = threadEntry('composite-thread', import.meta.url)
  threads = new Piscina({
    filename: url.href,
    execArgv,
    minThreads: 1,
    maxThreads: Math.min(availableParallelism(), 8),
    // Threads hold no state worth the wait for new ones within a batch.
    idleTimeout: 10_000,
  })
  return threads
}

/**
 * Mask and cut-out of a picture, made in a thread of its own so that the main thread stays free. See `composite` for
 * the arithmetic. The image and the matte are given away: their buffers are unusable afterwards.
 */
export function compose(
  image: DecodedImage,
  matte: Matte,
  options: { keepHiddenColor: boolean },
): Promise<Cutout> {
  const { width, height, channels } = image
  const { alpha, width: matteWidth, height: matteHeight } = matte
  const data = ownBuffer(image.data)
  return pixelThreads().run(
    {
      data,
      width,
      height,
      channels,
      alpha,
      matteWidth,
      matteHeight,
      keepHiddenColor: options.keepHiddenColor,
    },
    { transferList: [data.buffer, alpha.buffer] },
  )
}

/** Ends the threads; the next `compose` starts new ones. */
export async function closePixelThreads(): Promise<void> {
  const closing = threads
  threads = undefined
  await closing?.close()
}

/** A small buffer may share Node's pool, which must not be given away. */
function ownBuffer(data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return data.byteLength === data.buffer.byteLength ? data : data.slice()
}
