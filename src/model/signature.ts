import { RmbgError } from '../errors.ts'
import type { ModelSpec } from './contract.ts'

/** What ONNX Runtime says of one input or output; an open dimension is a name instead of a number. */
export interface ValueMetadata {
  readonly name: string
  readonly isTensor: boolean
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

/** How a model file takes an image and gives a mask, after checking that it does. */
export interface Signature {
  input: { name: string; type: 'float32' | 'float16' | 'uint8'; layout: 'nchw' | 'nhwc' }
  output: { name: string; type: 'float32' | 'float16' }
  /** Pixels. */
  inputSize: { width: number; height: number }
  /** The file itself fixes the input size, so that it is known to run at it. */
  fixedSize: boolean
}

/**
 * Reads how a file wants its image and gives its mask, and holds it against what the spec says of it.
 *
 * @throws RmbgError MODEL_INVALID: not one image in and a mask out, or the spec says otherwise
 */
export function readSignature(
  spec: ModelSpec,
  inputs: readonly ValueMetadata[],
  outputs: readonly ValueMetadata[],
): Signature {
  const invalid = (problem: string, hint?: string) =>
    new RmbgError('MODEL_INVALID', `${spec.file} ${problem}.`, hint === undefined ? {} : { hint })

  const [image] = inputs
  if (!image || inputs.length > 1) {
    const names = inputs.map(({ name }) => name).join(', ')
    throw invalid(
      `has ${inputs.length} inputs${names && ` (${names})`}, where one image is expected`,
      'Use a model that takes one image and gives one mask.',
    )
  }
  const { shape } = image
  if (!image.isTensor || shape?.length !== 4) {
    throw invalid(
      `takes "${image.name}" as ${describe(image)}, where an image of four dimensions is expected`,
    )
  }
  const { type } = image
  if (type !== 'float32' && type !== 'float16' && type !== 'uint8') {
    throw invalid(`takes ${type} values, where float32, float16 or uint8 is expected`)
  }
  const layout = acceptsThree(shape[1]) ? 'nchw' : acceptsThree(shape[3]) ? 'nhwc' : undefined
  if (!layout || (typeof shape[0] === 'number' && shape[0] !== 1)) {
    throw invalid(`takes ${describe(image)}, where one RGB image (1x3xHxW or 1xHxWx3) is expected`)
  }

  const [height, width] = layout === 'nchw' ? [shape[2], shape[3]] : [shape[1], shape[2]]
  const fixedSize = typeof width === 'number' && typeof height === 'number'
  const stated = spec.inputSize
  if (stated && (differs(width, stated.width) || differs(height, stated.height))) {
    throw invalid(
      `takes images of ${width}x${height} pixels, but its description says ${stated.width}x${stated.height}`,
      'Correct or remove inputSize in the JSON file beside the model.',
    )
  }
  if (!fixedSize && !stated) {
    throw invalid(
      'leaves its input size open, and nothing says which size to use',
      'Write {"inputSize": [width, height]} into the JSON file beside the model, with the size it was trained at.',
    )
  }
  const inputSize = fixedSize ? { width, height } : stated!

  const mask = spec.output === undefined ? outputs[0] : outputs.find(({ name }) => name === spec.output)
  if (!mask) {
    const names = outputs.map(({ name }) => name).join(', ')
    throw invalid(
      spec.output === undefined ? 'has no output' : `has no output "${spec.output}"`,
      names && `Its outputs: ${names}.`,
    )
  }
  if (mask.type !== 'float32' && mask.type !== 'float16') {
    throw invalid(`gives "${mask.name}" as ${describe(mask)}, where a mask of float32 or float16 is expected`)
  }
  // A shape the file does not state reads as empty; the mask itself is checked when there is one.
  if (mask.shape?.length && !isMaskShape(mask.shape, inputSize)) {
    throw invalid(
      `gives "${mask.name}" as ${describe(mask)}, where one mask of ${inputSize.width}x${inputSize.height} pixels is expected`,
      outputs.length > 1
        ? `Name another output in the JSON file: ${outputs.map(({ name }) => name).join(', ')}.`
        : undefined,
    )
  }

  return {
    input: { name: image.name, type, layout },
    output: { name: mask.name, type: mask.type },
    inputSize,
    fixedSize,
  }
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

function acceptsThree(dimension: number | string | undefined): boolean {
  return !differs(dimension, 3)
}

function differs(dimension: number | string | undefined, wanted: number): boolean {
  return typeof dimension === 'number' && dimension !== wanted
}

function describe({ isTensor, type, shape }: ValueMetadata): string {
  if (!isTensor) return 'something other than a tensor'
  return shape?.length ? `${type} ${shape.map((length) => length || '?').join('x')}` : `${type}`
}
