import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import { fromPlainError, RmbgError } from '../errors.ts'
import { stopwatch } from '../stopwatch.ts'
import type { Device, LoadedModel, Matte, ModelSpec } from './contract.ts'
import { provideRuntime, type RuntimeNews } from './runtime/provide.ts'
import { sentence } from './sentence.ts'
import { readTuning } from './tuning/kept.ts'
import { type SessionTuning, usualTuning } from './tuning/options.ts'
import type { ImageAnswer, ImageRequest, ThreadAnswer, ThreadData, ThreadRequest } from './worker.ts'

// The published builds of ONNX Runtime (1.29 and newer) report to Microsoft which models run on which machine, and keep a
// database of that in the user's home. The variable is read once, when a thread loads the library.
process.env.ORT_DISABLE_TELEMETRY ||= '1'

export interface OpenOptions {
  /** That ONNX Runtime uses within one image; default: as `tuning` says. */
  threads?: number | undefined
  /** How the model runs on the CPU; default: as was measured and kept in `modelsFolder`, else as usual with all cores. */
  tuning?: SessionTuning | undefined
  /** Default: `auto`. */
  device?: Device | undefined
  /** Where models are installed: graphs are kept there that make the next start cheaper. Absent: nothing is kept. */
  modelsFolder?: string | undefined
  /** Told when ONNX Runtime has to be fetched first. */
  tell?: ((news: RuntimeNews) => void) | undefined
}

/**
 * Loads a model into a thread of its own.
 *
 * If the thread dies (out of memory, or a fault that native code reports), it is started again and its image is tried
 * once more. An idle model does not keep the process alive. A model at work must be closed before `process.exit`, which
 * would abort the process while a thread is in native code (signals that kill the process are fine).
 *
 * One model with all cores beats several with a share each. Measured on 2 cores, per image: 25 against 26 ms for a network
 * of 4 GFLOP, 480 against 750 ms for one of 81 GFLOP.
 *
 * @throws RmbgError MODEL_INVALID, DEVICE_UNAVAILABLE or RUNTIME_UNAVAILABLE
 */
export async function openModel(spec: ModelSpec, options: OpenOptions = {}): Promise<LoadedModel> {
  const { device = 'auto', modelsFolder, tell } = options
  const runtime = await provideRuntime({ tell })
  const tuning = await tuningFor(spec, options)
  const start = () => startThread({ spec, tuning, device, runtime, modelsFolder })
  // One at a time, so that it is known whose image killed the thread.
  const queue = pLimit(1)
  let thread: InferenceThread | undefined = await start().catch((cause: Error) => {
    if (cause instanceof RmbgError) throw cause
    throw new RmbgError('MODEL_INVALID', `${spec.file} cannot be loaded: ${sentence(cause)}`, { cause })
  })
  let closing: Promise<void> | undefined
  const { inputSize, provider, notice } = thread

  async function attempt(request: ImageRequest): Promise<ImageAnswer & { inferenceMs: number }> {
    thread ??= await start()
    const lap = stopwatch()
    try {
      const answer = await thread.run(request)
      return { ...answer, inferenceMs: lap() }
    } catch (error) {
      if (!isRefusal(error)) thread = undefined
      throw error
    }
  }

  async function ask(
    rgb: Uint8Array<ArrayBuffer>,
    examine: boolean,
  ): Promise<ImageAnswer & { matte: Matte }> {
    const bytes = inputSize.width * inputSize.height * 3
    if (rgb.byteLength !== bytes)
      throw new RangeError(`Expected ${bytes} bytes of RGB but received ${rgb.byteLength}`)
    if (closing) throw new Error('The model is closed')
    // The first try gets a copy, because bytes that were transferred to a thread are lost with it.
    const answer = await queue(() =>
      attempt({ rgb: rgb.slice(), examine }).catch((error) => {
        if (isRefusal(error)) throw error
        return attempt({ rgb, examine })
      }),
    ).catch((cause: Error) => {
      if (isRefusal(cause)) throw cause
      throw new RmbgError('MODEL_CRASHED', `Inference failed twice on this image: ${sentence(cause)}`, {
        hint: 'If memory ran out, use a smaller model or a lower concurrency.',
        cause,
      })
    })
    const { alpha, inferenceMs } = answer
    return { ...answer, matte: { alpha, inferenceMs, ...inputSize } }
  }

  return {
    spec,
    inputSize,
    provider,
    notice,
    predict: async (rgb) => (await ask(rgb, false)).matte,
    examine: async (rgb) => {
      const { matte, statistics } = await ask(rgb, true)
      if (!statistics) throw new Error('The inference thread gave no statistics')
      return { matte, ...statistics }
    },
    close: () => {
      // After everything that is already queued.
      closing ??= queue(async () => thread?.close())
      return closing
    },
  }
}

/** Who names a number of threads gets it; the rest stays as it was measured. */
async function tuningFor(
  { sha256 }: ModelSpec,
  { threads, tuning, modelsFolder }: OpenOptions,
): Promise<SessionTuning> {
  const kept = modelsFolder === undefined ? undefined : await readTuning(modelsFolder, sha256)
  const found = tuning ?? kept?.tuning ?? usualTuning(availableParallelism())
  return threads === undefined ? found : { ...found, threads }
}

/** The thread is fine: it refused this image's mask. */
function isRefusal(error: unknown): boolean {
  return error instanceof RmbgError && error.code === 'MODEL_OUTPUT'
}

interface InferenceThread {
  inputSize: { width: number; height: number }
  provider: string
  notice?: string
  /**
   * @param request its pixels are transferred
   * @throws RmbgError MODEL_OUTPUT, or any other error when the thread died
   */
  run(request: ImageRequest): Promise<ImageAnswer>
  close(): Promise<void>
}

async function startThread(data: ThreadData): Promise<InferenceThread> {
  // As this file is: compiled, or TypeScript that the thread's `--import` loads.
  const entry = new URL(`worker${extname(import.meta.url)}`, import.meta.url)
  const worker = new Worker(entry, { workerData: data, name: `model ${data.spec.name}` })

  /** Waits for the thread's next answer, or for the error that ended it. */
  let settle: { resolve: (answer: ThreadAnswer) => void; reject: (error: Error) => void } | undefined
  let death: Error | undefined
  const nextAnswer = () =>
    new Promise<ThreadAnswer>((resolve, reject) => {
      if (death) return reject(death)
      worker.ref()
      settle = { resolve, reject }
    }).finally(() => {
      settle = undefined
      worker.unref()
    })
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const die = (error: Error) => {
    death ??= error
    settle?.reject(death)
  }
  worker.on('message', (answer: ThreadAnswer) => settle?.resolve(answer))
  worker.on('error', die)
  worker.on('messageerror', die)
  worker.on('exit', (code) => die(new Error(`the inference thread ended with code ${code}`)))

  const first = await nextAnswer()
  if ('refused' in first) {
    await worker.terminate()
    throw fromPlainError(first.refused)
  }
  if (!('ready' in first)) throw new Error('the inference thread answered before it was ready')
  const send = (request: ThreadRequest, transfer: ArrayBuffer[] = []) => worker.postMessage(request, transfer)

  return {
    ...first.ready,
    run: async (request) => {
      const pending = nextAnswer()
      send(request, [request.rgb.buffer])
      const answer = await pending
      if ('alpha' in answer) return answer
      throw 'refused' in answer
        ? fromPlainError(answer.refused)
        : new Error('the inference thread started twice')
    },
    close: async () => {
      if (death) return
      worker.ref()
      send('close')
      await ended
    },
  }
}
