import { RmbgError } from '../errors.ts'
import type { ModelSpec } from './contract.ts'

/** What ONNX Runtime says about one input or output; an open dimension is a name instead of a number. */
export interface ValueMetadata {
  readonly name: string
  readonly isTensor: boolean
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

/** How a model file takes an image and gives a mask. */
export interface Signature {
  input: { name: string; type: 'float32' | 'float16' | 'uint8'; layout: 'nchw' | 'nhwc' }
  output: { name: string; type: 'float32' | 'float16' }
  /** Pixels. */
  inputSize: { width: number; height: number }
  /** The file itself fixes the input size, so it certainly runs at that size. */
  fixedSize: boolean
}

/**
 * Reads how a file takes its image and gives its mask, and compares that with what the spec says.
 *
 * @throws RmbgError MODEL_INVALID: not one image in and a mask out, or the spec says otherwise
 */
export function readSignature(
  spec: ModelSpec,
  inputs: readonly ValueMetadata[],
  outputs: readonly ValueMetadata[],
): Signature {
  const invalid: Invalid = (problem, hint) =>
    new RmbgError('MODEL_INVALID', `${spec.file} ${problem}.`, hint === undefined ? {} : { hint })
  const { input, height, width } = readInput(inputs, invalid)
  const size = agreedSize(width, height, spec.inputSize, invalid)
  const output = readOutput(outputs, spec.output, size.inputSize, invalid)
  return { input, output, ...size }
}

/** Makes the error for a file; `problem` is a predicate, such as `has no output`. */
type Invalid = (problem: string, hint?: string) => RmbgError
type Dimension = number | string | undefined

function readInput(inputs: readonly ValueMetadata[], invalid: Invalid) {
  const [image] = inputs
  if (!image || inputs.length > 1) {
    const names = inputs.map(({ name }) => name).join(', ')
    throw invalid(
      `has ${inputs.length} inputs${names && ` (${names})`}, where one image is expected`,
      'Use a model that takes one image and gives one mask.',
    )
  }
  const { name, type, shape } = image
  if (!image.isTensor || shape?.length !== 4) {
    throw invalid(`takes "${name}" as ${describe(image)}, where an image of four dimensions is expected`)
  }
  if (type !== 'float32' && type !== 'float16' && type !== 'uint8') {
    throw invalid(`takes ${type} values, where float32, float16 or uint8 is expected`)
  }
  const layout = acceptsThree(shape[1]) ? 'nchw' : acceptsThree(shape[3]) ? 'nhwc' : undefined
  if (!layout || differs(shape[0], 1)) {
    throw invalid(`takes ${describe(image)}, where one RGB image (1x3xHxW or 1xHxWx3) is expected`)
  }
  const [height, width]: Dimension[] = layout === 'nchw' ? [shape[2], shape[3]] : [shape[1], shape[2]]
  const input: Signature['input'] = { name, type, layout }
  return { input, height, width }
}

function agreedSize(
  width: Dimension,
  height: Dimension,
  stated: ModelSpec['inputSize'],
  invalid: Invalid,
): Pick<Signature, 'inputSize' | 'fixedSize'> {
  if (stated && (differs(width, stated.width) || differs(height, stated.height))) {
    throw invalid(
      `takes images of ${width}x${height} pixels, but its description says ${stated.width}x${stated.height}`,
      'Correct or remove inputSize in the JSON file beside the model.',
    )
  }
  if (typeof width === 'number' && typeof height === 'number') {
    return { inputSize: { width, height }, fixedSize: true }
  }
  if (stated) return { inputSize: stated, fixedSize: false }
  throw invalid(
    'leaves its input size open, and nothing says which size to use',
    'Write {"inputSize": [width, height]} into the JSON file beside the model, with the size it was trained at.',
  )
}

function readOutput(
  outputs: readonly ValueMetadata[],
  wanted: string | undefined,
  { width, height }: Signature['inputSize'],
  invalid: Invalid,
): Signature['output'] {
  const names = outputs.map(({ name }) => name).join(', ')
  const mask = wanted === undefined ? outputs[0] : outputs.find(({ name }) => name === wanted)
  if (!mask) {
    const missing = wanted === undefined ? 'has no output' : `has no output "${wanted}"`
    throw invalid(missing, names && `Its outputs: ${names}.`)
  }
  const { name, type, shape } = mask
  if (type !== 'float32' && type !== 'float16') {
    throw invalid(`gives "${name}" as ${describe(mask)}, where a mask of float32 or float16 is expected`)
  }
  // A shape that the file does not state reads as empty; each mask is checked when it comes.
  if (shape?.length && !isMaskShape(shape, { width, height })) {
    throw invalid(
      `gives "${name}" as ${describe(mask)}, where one mask of ${width}x${height} pixels is expected`,
      outputs.length > 1 ? `Name another output in the JSON file: ${names}.` : undefined,
    )
  }
  return { name, type }
}

/** Whether a shape is one mask of this size; an open dimension may still become anything. */
export function isMaskShape(
  shape: readonly (number | string)[],
  size: { width: number; height: number },
): boolean {
  const { width, height } = size
  const accepted = [
    [1, 1, height, width],
    [1, height, width],
    [1, height, width, 1],
    [height, width],
  ]
  return accepted.some(
    (wanted) =>
      wanted.length === shape.length && wanted.every((length, axis) => !differs(shape[axis], length)),
  )
}

function acceptsThree(dimension: Dimension): boolean {
  return !differs(dimension, 3)
}

function differs(dimension: Dimension, wanted: number): boolean {
  return typeof dimension === 'number' && dimension !== wanted
}

function describe({ isTensor, type, shape }: ValueMetadata): string {
  if (!isTensor) return 'something other than a tensor'
  return shape?.length ? `${type} ${shape.map((length) => length || '?').join('x')}` : `${type}`
}
