import type { TensorStatistics } from './statistics.ts'

/** How raw model output becomes an alpha in 0..1; stated per model file, never guessed from the values. */
export const activations = ['none', 'sigmoid', 'softmax'] as const
export type OutputActivation = (typeof activations)[number]

/** The picture keeps its proportions inside the model's input, and the rest is padded. */
export interface Letterbox {
  /** sRGB 0..255, before normalization. */
  padColor: readonly [number, number, number]
  /** Where the picture lies: in the middle, or with all padding to its right and below it. */
  padPosition: PadPosition
}

export const padPositions = ['center', 'top-left'] as const
export type PadPosition = (typeof padPositions)[number]

/** What inference can run on; `auto` is the best that this machine has. */
export const devices = ['auto', 'cpu', 'cuda', 'tensorrt', 'directml', 'coreml', 'webgpu'] as const
export type Device = (typeof devices)[number]

/** Everything that decides what a model file computes. All of it is part of a job's `params`. */
export interface ModelSpec {
  /** Registry name, or the file's base name for a model given by path. */
  name: string
  /** Which of a model's published files, such as `q4f16`. */
  variant?: string
  /** Absolute path of the .onnx file. */
  file: string
  /** Hex SHA-256 of the file, and of those that it keeps weights in. */
  sha256: string
  /** Pixels. Used when the file leaves its input size open, checked when the file fixes it; absent: the file must fix it. */
  inputSize?: { width: number; height: number }
  /** Per channel R, G, B, applied to values already scaled to 0..1: (value - mean) / std. */
  normalisation: { mean: [number, number, number]; std: [number, number, number] }
  /** Order of the color channels in the input; absent: RGB. */
  channelOrder?: 'BGR'
  /** Absent: the picture is stretched to the input size. */
  letterbox?: Letterbox
  /** Softmax is taken over the channels of the output, of which `outputChannel` is the mask. */
  activation: OutputActivation
  /** The matte is so small that it has to be enlarged along the picture's own edges. */
  guided?: boolean
  /** A mask whose matte promises a smaller overlap with the subject (0..1) is doubtful; absent: nobody has measured that. */
  leastExpectedIou?: number
  /** Name of the output that holds the mask; absent: the file's first output. */
  output?: string
  /** Index of the mask among the channels of the output, from 0; absent: the output has one channel. */
  outputChannel?: number
  /** The output shows the background: alpha is 1 minus its value. */
  invert?: true
  /** Nobody vouches for these settings: the model has to be tried before it is used. */
  unproven?: true
  license: string
  /** Present when `auto` took this model. */
  choice?: ModelChoice
  /** What a person should know about the choice of this model. */
  notice?: string
}

/** As people type it, and events tell it: `rmbg-2.0:q4f16`, or the name alone. */
export const modelName = ({ name, variant }: Pick<ModelSpec, 'name' | 'variant'>): string =>
  variant === undefined ? name : `${name}:${variant}`

/** Why `auto` took a model. */
export interface ModelChoice {
  /** A phrase, such as `the best of those installed`. */
  reason: string
  /** Names of the better ones, which are not installed. */
  notInstalled: string[]
}

/** An alpha matte at model size: row-major, width * height values, each clamped to 0..1, none NaN. */
export interface Matte {
  alpha: Float32Array<ArrayBuffer>
  width: number
  height: number
  /** Milliseconds of the inference itself, without waiting for its turn; absent where that is not known. */
  inferenceMs?: number
}

/** A loaded model. `predict` may be called concurrently; calls queue, because inference blocks its thread. */
export interface MatteModel {
  readonly spec: ModelSpec
  /** The input size in use, in pixels. */
  readonly inputSize: { width: number; height: number }
  /** The execution provider in use, such as `cpu`. */
  readonly provider: string
  /** What a person should know about the choice of this provider. */
  readonly notice: string | undefined
  /**
   * @param rgb 8-bit interleaved RGB, inputSize.width * inputSize.height * 3 bytes, on an ArrayBuffer of
   *   its own: it is transferred to the worker and unusable afterwards.
   * @throws RmbgError MODEL_OUTPUT (wrong shape, NaN) or MODEL_CRASHED (worker died, twice for this image)
   */
  predict(rgb: Uint8Array<ArrayBuffer>): Promise<Matte>
  close(): Promise<void>
}

/** What a model was given and gave, for whoever judges the model itself. */
export interface Examined {
  matte: Matte
  /** Of the values that the model was given. */
  input: TensorStatistics
  /** Of the output as the model gave it, before its activation. */
  output: TensorStatistics
  /** Of the matte. */
  alpha: TensorStatistics
}

/** A model in a thread of this process. */
export interface LoadedModel extends MatteModel {
  /** As `predict`, with the same errors. */
  examine(rgb: Uint8Array<ArrayBuffer>): Promise<Examined>
}
