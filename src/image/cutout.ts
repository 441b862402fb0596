import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type { Matte } from '../model/contract.ts'
import { threadEntry } from '../thread.ts'
import type { CompositeOptions, Cutout } from './composite.ts'
import { type DecodedImage, type Samples, toSrgb } from './decode.ts'
import type { ResampleTask } from './pixel-thread.ts'

export type { Cutout } from './composite.ts'

let threads: Piscina | undefined

function pixelThreads(): Piscina {
  if (threads) return threads
  const { url, execArgv } = threadEntry('pixel-thread', import.meta.url)
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
 * The picture as a model sees it: stretched to the model's size, in sRGB. See `resample` for the arithmetic, which is
 * done in a thread; until then the image's pixels are away.
 *
 * @returns interleaved 8-bit RGB, width * height * 3 bytes, on an ArrayBuffer of its own
 */
export async function toModelInput(
  image: DecodedImage,
  { width, height }: { width: number; height: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const data = ownBuffer(image.data)
  const picture = { data, width: image.width, height: image.height, channels: image.channels }
  const task: ResampleTask = { picture, width, height }
  const result: { rgb: Uint8Array<ArrayBuffer>; data: Samples } = await pixelThreads().run(task, {
    name: 'shrink',
    transferList: [data.buffer],
  })
  image.data = result.data
  return image.profile ? toSrgb(result.rgb, { width, height }, image.profile) : result.rgb
}

/**
 * Mask and cut-out of a picture, made in a thread of its own so that the main thread stays free. See `composite` for
 * the arithmetic. The image and the matte are given away: their buffers are unusable afterwards.
 */
export function compose(
  image: DecodedImage,
  matte: Matte | Uint8Array<ArrayBuffer>,
  options: CompositeOptions & { guided: boolean },
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
  return pixelThreads().run(task, { name: 'compose', transferList: [data.buffer, matteBuffer] })
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
