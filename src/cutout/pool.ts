import { availableParallelism } from 'node:os'
import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { fromPlainError } from '../errors.ts'
import type { MatteModel } from '../model/contract.ts'
import { threadEntry } from '../thread.ts'
import type { CutoutSettings, FinishedCutout } from './cutout.ts'
import type { ModelAnswer, ModelInput, PixelAnswer, PixelTask } from './worker.ts'

let threads: Piscina<PixelTask, PixelAnswer> | undefined

/** Starts a thread, which takes a while, before there is anything to do for it. */
export function startPixelThreads(): void {
  pixelThreads()
}

function pixelThreads(): Piscina<PixelTask, PixelAnswer> {
  if (threads) return threads
  const { url, execArgv } = threadEntry('worker', import.meta.url)
  threads = new Piscina({
    filename: url.href,
    execArgv,
    minThreads: 1,
    maxThreads: Math.min(availableParallelism(), 16),
    // Most of an image's time is spent waiting: for libvips' own threads, and for the model.
    concurrentTasksPerWorker: 4,
    // Threads hold no state worth the wait for new ones within a batch.
    idleTimeout: 10_000,
  })
  return threads
}

/**
 * `cutOut` in a thread of its own: the main thread stays free, and pictures never burden its heap, whose collection
 * they would force again and again (measured: 37 ms per picture of 1 megapixel).
 *
 * @param subject the model to ask, or a mask's file
 * @throws RmbgError as `cutOut` and the model do
 */
export async function cutOutInThread(
  file: Uint8Array,
  subject: Pick<MatteModel, 'inputSize' | 'spec' | 'predict'> | { mask: Uint8Array },
  settings: CutoutSettings,
): Promise<FinishedCutout> {
  if ('mask' in subject) return finished(await pixelThreads().run({ file, subject, settings }))
  const { port1: here, port2: port } = new MessageChannel()
  let modelError: unknown
  here.on('message', async (input: ModelInput) => {
    let answer: ModelAnswer
    try {
      answer = await subject.predict(input)
    } catch (error) {
      modelError = error
    }
    here.postMessage(answer, answer ? [answer.alpha.buffer] : [])
  })
  try {
    const { inputSize } = subject
    const guided = subject.spec.guided ?? false
    const task: PixelTask = { file, settings, subject: { inputSize, guided, port } }
    return finished(await pixelThreads().run(task, { transferList: [port] }))
  } catch (error) {
    throw modelError ?? error
  } finally {
    here.close()
  }
}

function finished(answer: PixelAnswer): FinishedCutout {
  if ('refused' in answer) throw fromPlainError(answer.refused)
  return answer
}

/** Ends the threads; the next `cutOutInThread` starts new ones. */
export async function closePixelThreads(): Promise<void> {
  const closing = threads
  threads = undefined
  await closing?.close()
}
