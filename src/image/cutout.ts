import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type { Matte } from '../model/contract.ts'
import { threadEntry } from '../thread.ts'
import type { CompositeOptions, CompositeTask, Cutout } from './composite.ts'
import type { DecodedImage, Samples } from './decode.ts'

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
  matte: Matte | Uint8Array<ArrayBuffer>,
  options: CompositeOptions,
): Promise<Cutout> {
  const { width, height, channels } = image
  const data = ownBuffer(image.data)
  const task = {
    picture: { data, width, height, channels },
    matte:
      matte instanceof Uint8Array ? matte : { values: matte.alpha, width: matte.width, height: matte.height },
    ...options,
  }
  const matteBuffer = matte instanceof Uint8Array ? matte.buffer : matte.alpha.buffer
  return pixelThreads().run(task, { transferList: [data.buffer, matteBuffer] })
}

/** Ends the threads; the next `compose` starts new ones. */
export async function closePixelThreads(): Promise<void> {
  const closing = threads
  threads = undefined
  await closing?.close()
}

/** A small buffer may share Node's pool, which must not be given away. */
function ownBuffer(data: Samples): Samples {
  return data.byteLength === data.buffer.byteLength ? data : data.slice()
}
