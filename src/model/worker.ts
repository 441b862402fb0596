/**
 * The thread that runs inference, and the only one that loads onnxruntime-node, whose `run` blocks the calling thread for
 * the whole inference (microsoft/onnxruntime #19611). `session.ts` starts one for each model.
 *
 * An error that is not about the model file or the image ends the thread, because a session cannot be relied on after
 * a failed allocation.
 */
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { type PlainError, RmbgError, toPlainError } from '../errors.ts'
import { freeBytes } from '../free-bytes.ts'
import type { Device, Examined, ModelSpec } from './contract.ts'
import { type Opened, openPrepared, type Way } from './prepared/open.ts'
import { preparedShelf } from './prepared/shelf.ts'
import { openOnDevice } from './providers.ts'
import { sentence } from './sentence.ts'
import { maskLayout, readSignature } from './signature.ts'
import { statisticsOf } from './statistics.ts'
import { channelOf, type InputValues, imagePacker, softmaxOf, toAlpha, toFloats } from './tensors.ts'
import type { SessionTuning } from './tuning/options.ts'

export interface ThreadData {
  spec: ModelSpec
  tuning: SessionTuning
  device: Device
  /** The folder of the package that is ONNX Runtime. */
  runtime: string
  /** Where prepared graphs are kept; undefined: nowhere. */
  modelsFolder: string | undefined
}

export interface ImageRequest {
  /** 8-bit, interleaved. */
  rgb: Uint8Array<ArrayBuffer>
  /** Whether statistics are wanted, too. */
  examine: boolean
}

export interface ImageAnswer {
  alpha: Float32Array<ArrayBuffer>
  statistics?: Omit<Examined, 'matte'>
}

/** An image to run, or the request to end. */
export type ThreadRequest = ImageRequest | 'close'

/** One answer when started, one for every image. */
export type ThreadAnswer =
  | { ready: { inputSize: { width: number; height: number }; provider: string; notice?: string } }
  | ImageAnswer
  | { refused: PlainError }

const port = parentPort!
const { spec, tuning, device, runtime, modelsFolder } = workerData as ThreadData

const answer = (message: ThreadAnswer, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)
const refuse = (error: unknown) => {
  if (!(error instanceof RmbgError)) throw error
  answer({ refused: toPlainError(error) })
}

let ort: Runtime

try {
  ort = loadRuntime()
  const model = await load()
  answer({ ready: model.ready })
  port.on('message', async (request: ThreadRequest) => {
    if (request === 'close') {
      await model.release()
      port.close()
      return
    }
    try {
      const made = await model.run(request)
      answer(made, [made.alpha.buffer])
    } catch (error) {
      refuse(error)
    }
  })
} catch (error) {
  refuse(error)
}

type Runtime = typeof import('onnxruntime-node')

function loadRuntime(): Runtime {
  let loaded: Runtime
  try {
    loaded = createRequire(import.meta.url)(runtime)
  } catch (cause) {
    throw new RmbgError('RUNTIME_UNAVAILABLE', `ONNX Runtime cannot be loaded: ${sentence(cause)}`, {
      hint: 'docs/install.md names the systems that it runs on.',
      cause,
    })
  }
  // ONNX Runtime writes its warnings straight to stderr, past our printers.
  loaded.env.logLevel = 'fatal'
  return loaded
}

async function load() {
  const {
    session: { session, metadata },
    ...used
  } = await openSession()
  const signature = readSignature(spec, metadata.inputs, metadata.outputs)
  const { input, output, inputSize } = signature
  const dimensions =
    input.layout === 'nchw'
      ? [1, 3, inputSize.height, inputSize.width]
      : [1, inputSize.height, inputSize.width, 3]
  const pack = imagePacker(signature, spec)
  const { outputChannel, activation } = spec

  async function run({ rgb, examine }: ImageRequest): Promise<ImageAnswer> {
    const values = pack(rgb)
    freeBytes(rgb)
    const feeds = { [input.name]: toTensor(input.type, values, dimensions) }
    const mask = (await session.run(feeds, [output.name]))[output.name]!
    const layout = maskLayout(mask.dims, inputSize, outputChannel)
    if (!layout) {
      throw new RmbgError(
        'MODEL_OUTPUT',
        `The model gave a mask of shape ${mask.dims.join('x')} for an image of ${inputSize.width}x${inputSize.height} pixels.`,
      )
    }
    const { buffer, byteOffset, length } = mask.data as Float32Array
    const all =
      output.type === 'float16' ? new Uint16Array(buffer, byteOffset, length) : (mask.data as Float32Array)
    const raw = channelOf(all, layout, outputChannel ?? 0)
    const shares = activation === 'softmax' ? softmaxOf(all, layout, outputChannel ?? 0) : raw
    const alpha = toAlpha(shares, spec)
    const statistics = examine && {
      input: statisticsOf(toFloats(values)),
      output: statisticsOf(toFloats(raw)),
      alpha: statisticsOf(alpha),
    }
    // ONNX Runtime makes a new array for each mask.
    freeBytes(new Uint8Array(buffer))
    return { alpha, ...(statistics && { statistics }) }
  }

  if (!signature.fixedSize) {
    // The size is only what the description claims: one run now shows whether every image would fail later.
    const blank = new Uint8Array(inputSize.width * inputSize.height * 3)
    await run({ rgb: blank, examine: false }).catch((cause: Error) => {
      throw new RmbgError(
        'MODEL_INVALID',
        `${spec.file} does not run at ${inputSize.width}x${inputSize.height} pixels: ${sentence(cause)}`,
        { hint: 'Correct inputSize in the JSON file beside the model.', cause },
      )
    })
  }
  return { ready: { inputSize, ...used }, run, release: () => session.release() }
}

type Session = import('onnxruntime-node').InferenceSession

function openSession() {
  const open = async (executionProviders: string[]): Promise<Opened<Session>> => {
    const create = (file: string, way: Way) =>
      ort.InferenceSession.create(file, { executionProviders, ...sessionOptions(way) })
    if (executionProviders.join() === 'cpu' && modelsFolder !== undefined) {
      const { sha256, output } = spec
      const { blockedLayout } = tuning
      return openPrepared(spec, preparedShelf(modelsFolder, { sha256, output, blockedLayout }), create)
    }
    const session = await create(spec.file, 'optimized')
    return { session, metadata: { inputs: [...session.inputMetadata], outputs: [...session.outputMetadata] } }
  }
  return openOnDevice(device, open, ort.listSupportedBackends(), runtime).catch((cause: Error) => {
    if (cause instanceof RmbgError) throw cause
    throw new RmbgError(
      'MODEL_INVALID',
      `${spec.file} cannot be loaded as an ONNX model: ${sentence(cause)}`,
      {
        hint: 'The file may be damaged, incomplete or made for another runtime; get it again.',
        cause,
      },
    )
  })
}

type SessionOptions = import('onnxruntime-node').InferenceSession.SessionOptions

function sessionOptions(way: Way): SessionOptions {
  const { threads, spinning, arena, memoryPattern, blockedLayout } = tuning
  const level = blockedLayout ? 'all' : 'extended'
  return {
    ...(typeof way === 'object' && { optimizedModelFilePath: way.saveTo }),
    graphOptimizationLevel: way === 'unoptimized' ? 'disabled' : level,
    intraOpNumThreads: threads,
    enableCpuMemArena: arena,
    // ISNet takes 810 MB more with it, and no less time.
    enableMemPattern: memoryPattern,
    extra: {
      session: {
        // Threads that spin while they wait take cores from decoding and encoding.
        intra_op: { allow_spinning: spinning ? '1' : '0' },
        ...(typeof way === 'object' && { save_model_format: 'ORT' }),
        ...(way === 'mapped' && {
          load_model_format: 'ORT',
          use_memory_mapped_ort_model: '1',
          use_ort_model_bytes_for_initializers: '1',
        }),
      },
    },
    logSeverityLevel: 4,
  }
}

function toTensor(type: 'float32' | 'float16' | 'uint8', values: InputValues, dimensions: number[]) {
  const { Tensor } = ort
  if (type === 'float32') return new Tensor(type, values as Float32Array, dimensions)
  if (type === 'float16') return new Tensor(type, values as Uint16Array, dimensions)
  return new Tensor(type, values as Uint8Array, dimensions)
}
