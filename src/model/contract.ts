/** How raw model output becomes an alpha in 0..1; pinned per model file, never guessed from values. */
export type OutputActivation = 'none' | 'sigmoid'

/** What inference can be asked to run on; `auto` is the best that this machine has. */
export const devices = ['auto', 'cpu', 'cuda', 'tensorrt', 'directml', 'coreml', 'webgpu'] as const
export type Device = (typeof devices)[number]

/** Everything that decides what a model file computes. All of it is part of a job's `params`. */
export interface ModelSpec {
  /** Registry name, or the file's base name for a model given by path. */
  name: string
  /** Which of a model's published files, e.g. `q4f16`. */
  variant?: string
  /** Absolute path of the .onnx file. */
  file: string
  /** Hex SHA-256 of the file. */
  sha256: string
  /** Pixels; used where the file leaves its input size open, checked where it fixes it. Absent: the file fixes it. */
  inputSize?: { width: number; height: number }
  /** Per channel R, G, B, applied to values already scaled to 0..1: (value - mean) / std. */
  normalisation: { mean: [number, number, number]; std: [number, number, number] }
  activation: OutputActivation
  /** The matte is so small that it is brought to the picture's size along the picture's own edges. */
  guided?: boolean
  /** Name of the output that holds the mask; absent: the file's first. */
  output?: string
  license: string
  /** What a person should know of the choice. */
  notice?: string
}

/** An alpha matte at model size: row-major, width * height values, each clamped to 0..1, none NaN. */
export interface Matte {
  alpha: Float32Array<ArrayBuffer>
  width: number
  height: number
}

/** A loaded model. `predict` may be called concurrently; calls queue, for inference blocks its thread. */
export interface MatteModel {
  readonly spec: ModelSpec
  /** Input size really used, in pixels. */
  readonly inputSize: { width: number; height: number }
  /** Execution provider really used, e.g. `cpu`. */
  readonly provider: string
  /** What a person should know of the choice. */
  readonly notice: string | undefined
  /**
   * @param rgb 8-bit interleaved RGB, inputSize.width * inputSize.height * 3 bytes, on an ArrayBuffer of
   *   its own: it is transferred to the worker and unusable afterwards.
   * @throws RmbgError MODEL_OUTPUT (wrong shape, NaN) or MODEL_CRASHED (worker died, twice for this image)
   */
  predict(rgb: Uint8Array<ArrayBuffer>): Promise<Matte>
  close(): Promise<void>
}
