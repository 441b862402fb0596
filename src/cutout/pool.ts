/** The threads that cut-outs are made in. */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Piscina } from 'piscina'
import { fromPlainError } from '../errors.ts'
import type { ImageHeader } from './codec/header.ts'
import type { Cutout, Subject } from './cutout.ts'
import { serveModel } from './model-port.ts'
import type { CutoutRecipe } from './options.ts'
import { compiledKernels } from './pixels/kernels.ts'
import type { CutoutAnswer, CutoutTask } from './worker.ts'

let threads: Piscina<CutoutTask, CutoutAnswer> | undefined

/** Starts a first thread before there is work for it, because that takes a while. */
export function startPixelThreads(): void {
  pixelThreads()
}

function pixelThreads(): Piscina<CutoutTask, CutoutAnswer> {
  threads ??= new Piscina({
    // As this file is: compiled, or TypeScript that the thread's `--import` loads.
    filename: new URL(`worker${extname(import.meta.url)}`, import.meta.url).href,
    workerData: compiledKernels(),
    minThreads: 1,
    maxThreads: Math.min(availableParallelism(), 16),
    // Most of an image's time is spent waiting: for libvips' own threads, and for the model.
    concurrentTasksPerWorker: 4,
    // Long enough that no thread ends and starts again within a batch.
    idleTimeout: 10_000,
  })
  return threads
}

/**
 * `cutOut` in a pixel thread: the main thread stays free, and pictures never burden its heap. Their memory would force
 * garbage collection again and again (measured: 37 ms per picture of 1 megapixel).
 *
 * @param file is copied to the thread, not moved: the caller still stores these bytes as the original
 * @param metadata of its header, where that was read before
 * @throws RmbgError what `cutOut` or the model throws
 */
export async function cutOutInThread(
  file: Uint8Array,
  subject: Subject,
  recipe: CutoutRecipe,
  metadata?: ImageHeader['metadata'],
): Promise<Cutout> {
  if ('mask' in subject) return finished(await pixelThreads().run({ file, subject, recipe, metadata }))
  const served = serveModel(subject)
  const task: CutoutTask = { file, subject: served.model, recipe, metadata }
  try {
    return finished(await pixelThreads().run(task, { transferList: [served.model.port] }))
  } catch (error) {
    throw served.failure ?? error
  } finally {
    served.close()
  }
}

function finished(answer: CutoutAnswer): Cutout {
  if ('refused' in answer) throw fromPlainError(answer.refused)
  return answer
}

/** Ends the threads; the next `cutOutInThread` starts new ones. */
export async function closePixelThreads(): Promise<void> {
  const closing = threads
  threads = undefined
  await closing?.close()
}
