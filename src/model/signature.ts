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
  spec: Pick<ModelSpec, 'file' | 'inputSize' | 'output' | 'outputChannel'>,
  inputs: readonly ValueMetadata[],
  outputs: readonly ValueMetadata[],
): Signature {
  const invalid: Invalid = (problem, hint) =>
    new RmbgError('MODEL_INVALID', `${spec.file} ${problem}.`, hint === undefined ? {} : { hint })
  const { input, height, width } = readInput(inputs, invalid)
  const size = agreedSize(width, height, spec.inputSize, invalid)
  const output = readOutput(outputs, spec, size.inputSize, invalid)
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
  { output: wanted, outputChannel }: Pick<ModelSpec, 'output' | 'outputChannel'>,
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
  if (shape?.length && !maskLayout(shape, { width, height }, outputChannel)) {
    throw invalid(
      `gives "${name}" as ${describe(mask)}, where ${expectedMask({ width, height }, outputChannel)} is expected`,
      outputHint(shape, { width, height }, { outputChannel, names: outputs.length > 1 ? names : undefined }),
    )
  }
  return { name, type }
}

const expectedMask = ({ width, height }: Size, outputChannel: number | undefined): string =>
  outputChannel === undefined
    ? `one mask of ${width}x${height} pixels`
    : `an output of ${width}x${height} pixels with a channel ${outputChannel}`

/** What the JSON file should say instead; nothing where it cannot help. */
function outputHint(
  shape: Dimensions,
  size: Size,
  { outputChannel, names }: { outputChannel: number | undefined; names: string | undefined },
): string | undefined {
  const channels = outputChannel === undefined ? channelsOf(shape, size) : undefined
  if (channels === 2) {
    return 'If its channels are background and subject, write "outputChannel": 1 into the JSON file, and "activation": "softmax" where they are logits.'
  }
  if (channels !== undefined)
    return 'Write into the JSON file which channel is the mask, such as "outputChannel": 0.'
  return names && `Name another output in the JSON file: ${names}.`
}

type Dimensions = readonly (number | string)[]
interface Size {
  width: number
  height: number
}

/** Where the values of the mask are in an output: those of a channel lie together, or those of a pixel. */
export interface MaskLayout {
  order: 'channels-first' | 'channels-last'
  /** Undefined while the dimension is open. */
  channels: number | undefined
}

/**
 * Reads a shape as a mask of this size, or as several channels of which one is the mask; an open dimension may still
 * become anything.
 *
 * @param outputChannel index of that channel; undefined: the output must have one
 * @returns undefined when it is not
 */
export function maskLayout(shape: Dimensions, size: Size, outputChannel?: number): MaskLayout | undefined {
  return layoutsOf(shape, size).find(({ channels }) =>
    outputChannel === undefined
      ? (channels ?? 1) === 1
      : outputChannel < (channels ?? Number.POSITIVE_INFINITY),
  )
}

const channelsOf = (shape: Dimensions, size: Size): number | undefined =>
  layoutsOf(shape, size).find(({ channels }) => channels !== undefined)?.channels

/** All ways to read a shape; both orders fit where dimensions are open. */
function layoutsOf(shape: Dimensions, { width, height }: Size): MaskLayout[] {
  // A batch of one may stand in front, except of a plain HxW.
  const inner = shape.length === 4 && !differs(shape[0], 1) ? shape.slice(1) : shape
  if (inner.length === 2) {
    return fits(inner, [height, width]) ? [{ order: 'channels-first', channels: 1 }] : []
  }
  if (inner.length !== 3) return []
  const layouts: MaskLayout[] = []
  const [first, , last] = inner
  if (fits(inner.slice(1), [height, width]))
    layouts.push({ order: 'channels-first', channels: countOf(first) })
  if (fits(inner.slice(0, 2), [height, width]))
    layouts.push({ order: 'channels-last', channels: countOf(last) })
  return layouts
}

const fits = (shape: Dimensions, wanted: readonly number[]): boolean =>
  wanted.every((length, axis) => !differs(shape[axis], length))

const countOf = (dimension: Dimension): number | undefined =>
  typeof dimension === 'number' ? dimension : undefined

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
