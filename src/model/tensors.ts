import { RmbgError } from '../errors.ts'
import type { ModelSpec, OutputActivation } from './contract.ts'
import { fromHalf, toHalf } from './half.ts'
import type { Signature } from './signature.ts'

export type InputValues = Float32Array | Uint16Array | Uint8Array

/**
 * Makes a function from 8-bit interleaved RGB to a model's input values: (value / 255 - mean) / std, by a table of 256
 * entries per channel. A uint8 input takes the bytes as they are, because its normalization is in the graph. The
 * function returns the same array every time.
 */
export function imagePacker(
  { input, inputSize }: Signature,
  normalisation: ModelSpec['normalisation'],
): (rgb: Uint8Array) => InputValues {
  const pixels = inputSize.width * inputSize.height
  const arrays = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array }
  const values = new arrays[input.type](pixels * 3)
  const tables = [0, 1, 2].map((channel) => {
    const table = new arrays[input.type](256)
    for (let byte = 0; byte < 256; byte++) {
      const normalised = (byte / 255 - normalisation.mean[channel]!) / normalisation.std[channel]!
      table[byte] = input.type === 'uint8' ? byte : input.type === 'float16' ? toHalf(normalised) : normalised
    }
    return table
  })
  const [red, green, blue] = tables as [InputValues, InputValues, InputValues]
  if (input.layout === 'nhwc') {
    return (rgb) => {
      for (let i = 0; i < values.length; i += 3) {
        values[i] = red[rgb[i]!]!
        values[i + 1] = green[rgb[i + 1]!]!
        values[i + 2] = blue[rgb[i + 2]!]!
      }
      return values
    }
  }
  return (rgb) => {
    for (let i = 0, source = 0; i < pixels; i++, source += 3) {
      values[i] = red[rgb[source]!]!
      values[pixels + i] = green[rgb[source + 1]!]!
      values[2 * pixels + i] = blue[rgb[source + 2]!]!
    }
    return values
  }
}

/** The numbers that a tensor's values stand for. */
export const toFloats = (values: InputValues): ArrayLike<number> =>
  values instanceof Uint16Array ? Float32Array.from(values, fromHalf) : values

/**
 * Turns a model's output into alpha: the stated activation, then clamped to 0..1. It is never stretched between its own
 * extremes, which would turn the faint noise of a picture without a subject into a full mask.
 *
 * @param raw float32 values, or float16 bit patterns
 * @throws RmbgError MODEL_OUTPUT when a value is not a finite number
 */
export function toAlpha(
  raw: Float32Array | Uint16Array,
  activation: OutputActivation,
): Float32Array<ArrayBuffer> {
  const alpha = new Float32Array(raw.length)
  const half = raw instanceof Uint16Array
  for (let i = 0; i < raw.length; i++) {
    const value = half ? fromHalf(raw[i]!) : raw[i]!
    if (!Number.isFinite(value)) {
      throw new RmbgError('MODEL_OUTPUT', `The model gave a mask with ${value} in it.`, {
        hint: 'The model file may be damaged or its precision too low for this picture; try another variant of it.',
      })
    }
    const activated = activation === 'sigmoid' ? 1 / (1 + Math.exp(-value)) : value
    alpha[i] = Math.min(Math.max(activated, 0), 1)
  }
  return alpha
}
