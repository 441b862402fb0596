/**
 * The arithmetic of whole pictures, compiled from `../assembly/` to WebAssembly. A thread has one instance, whose memory holds
 * only the rows in work. Pictures stay where they are, and are copied in and out by rows, in the processor's cache.
 */
import type { Samples } from '../picture.ts'
import { kernelsBinary } from './kernels-binary.ts'

/** The part of the standard's types that is needed here; TypeScript has them for browsers only. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: object, imports: Record<string, Record<string, unknown>>)
    readonly exports: unknown
  }
}

type Source = [width: number, height: number, channels: number, deep: boolean]
/** Address of f32; 0 where a finished mask is read. */
type Matte = [address: number, width: number, height: number]

interface Exports {
  memory: { readonly buffer: ArrayBuffer }
  /** Gives back all memory that was taken. */
  release(): void
  /** @returns an address */
  take(bytes: number): number
  /** @returns the address of interleaved 8-bit RGB */
  resample(...task: [...Source, targetWidth: number, targetHeight: number]): number
  /** @returns the address of what `Figures` of assembly/figures.ts says */
  composite(
    ...task: [
      ...Source,
      refine: boolean,
      keepHiddenColor: boolean,
      ...Matte,
      isGuided: boolean,
      isWritten: boolean,
    ]
  ): number
  /** Writes `planes.picture` to file 0. */
  encode(...task: Source): void
}

/** What kernels read and write by rows; all but the mask are as deep as the picture. */
export interface Planes {
  width: number
  picture: { samples: Samples; channels: number }
  /** A finished mask, to be read. */
  finished?: Uint8Array | undefined
  alpha?: Samples
  /** Alpha in 8 bits. */
  mask?: Uint8Array<ArrayBuffer>
  rgba?: Samples
  /** All of `rgba` is 0. */
  isClear?: boolean
  /** Pieces of the files that a kernel writes, by their numbers. */
  files?: Uint8Array[][]
}

export interface Kernels extends Exports {
  /** The planes of the kernel that runs next. */
  planes: Planes | undefined
}

/** Bytes; WebAssembly cannot give memory back, so an instance that took more for a huge picture is left. */
const mostMemory = 48 * 2 ** 20

let compiled: object | undefined
let instance: Kernels | undefined

/** What a new thread is given, so that kernels are compiled once. */
export function compiledKernels(): object {
  compiled ??= new WebAssembly.Module(Buffer.from(kernelsBinary, 'base64'))
  return compiled
}

/** Uses what another thread has compiled. */
export function useKernels(given: object): void {
  compiled = given
}

/** Those of this thread. Nothing else of it may run while one works, so what they return need not be copied before. */
export function pixelKernels(): Kernels {
  if (!instance || instance.memory.buffer.byteLength > mostMemory) instance = instantiate()
  return instance
}

function instantiate(): Kernels {
  const kernels = { planes: undefined } as Kernels
  const { exports } = new WebAssembly.Instance(compiledKernels(), { host: hostOf(kernels) })
  return Object.assign(kernels, exports)
}

/** The functions of assembly/host.ts. */
function hostOf(kernels: Kernels) {
  const copyIn = (plane: Samples, channels: number, row: number, rows: number, into: number) => {
    const samples = kernels.planes!.width * channels
    const bytes = bytesOf(plane, row * samples, rows * samples)
    new Uint8Array(kernels.memory.buffer, into, bytes.length).set(bytes)
  }
  const copyOut = (plane: Samples, channels: number, row: number, rows: number, from: number) => {
    const samples = kernels.planes!.width * channels
    const bytes = bytesOf(plane, row * samples, rows * samples)
    bytes.set(new Uint8Array(kernels.memory.buffer, from, bytes.length))
  }
  type Rows = [row: number, rows: number, address: number]
  return {
    readPicture: (...rows: Rows) => {
      const { samples, channels } = kernels.planes!.picture
      copyIn(samples, channels, ...rows)
    },
    readMask: (...rows: Rows) => copyIn(kernels.planes!.finished as Samples, 1, ...rows),
    writeAlpha: (...rows: Rows) => copyOut(kernels.planes!.alpha!, 1, ...rows),
    readAlpha: (...rows: Rows) => copyIn(kernels.planes!.alpha!, 1, ...rows),
    writeMask: (...rows: Rows) => copyOut(kernels.planes!.mask as Samples, 1, ...rows),
    writeColors: (...rows: Rows) => copyOut(kernels.planes!.rgba!, 4, ...rows),
    writeFile: (file: number, from: number, bytes: number) => {
      kernels.planes!.files![file]!.push(new Uint8Array(kernels.memory.buffer, from, bytes).slice())
    },
    clearColors: (row: number, rows: number) => {
      if (kernels.planes!.isClear) return
      const samples = kernels.planes!.width * 4
      kernels.planes!.rgba!.fill(0, row * samples, (row + rows) * samples)
    },
  }
}

const bytesOf = (samples: Samples, start: number, count: number): Uint8Array => {
  const { buffer, byteOffset, BYTES_PER_ELEMENT: size } = samples
  return new Uint8Array(buffer, byteOffset + start * size, count * size)
}
