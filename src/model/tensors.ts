import { RmbgError } from '../errors.ts'
import type { ModelSpec } from './contract.ts'
import { fromHalves, toHalf } from './half.ts'
import type { MaskLayout, Signature } from './signature.ts'

export type InputValues = Float32Array | Uint16Array | Uint8Array
/** Float32 values, or float16 bit patterns. */
export type OutputValues = Float32Array | Uint16Array

/**
 * Makes a function from 8-bit interleaved RGB to a model's input values: (value / 255 - mean) / std, by a table of 256
 * entries per channel. A uint8 input takes the bytes as they are, because its normalization is in the graph. With the
 * channel order BGR, blue comes first. The function returns the same array every time.
 */
export function imagePacker(
  { input, inputSize }: Signature,
  { normalisation, channelOrder }: Pick<ModelSpec, 'normalisation' | 'channelOrder'>,
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
  const [redAt, blueAt] = channelOrder === 'BGR' ? [2, 0] : [0, 2]
  if (input.layout === 'nhwc') {
    return (rgb) => {
      for (let i = 0; i < values.length; i += 3) {
        values[i + redAt] = red[rgb[i]!]!
        values[i + 1] = green[rgb[i + 1]!]!
        values[i + blueAt] = blue[rgb[i + 2]!]!
      }
      return values
    }
  }
  const [redStart, blueStart] = [redAt * pixels, blueAt * pixels]
  return (rgb) => {
    for (let i = 0, source = 0; i < pixels; i++, source += 3) {
      values[redStart + i] = red[rgb[source]!]!
      values[pixels + i] = green[rgb[source + 1]!]!
      values[blueStart + i] = blue[rgb[source + 2]!]!
    }
    return values
  }
}

/** The numbers that a tensor's values stand for. */
export const toFloats = (values: InputValues): ArrayLike<number> =>
  values instanceof Uint16Array ? fromHalves(values) : values

/**
 * The values of one channel, one for each pixel; of an output with a single channel, all of them.
 *
 * @returns a view where the values lie together
 */
export function channelOf(
  raw: OutputValues,
  { order, channels = 1 }: MaskLayout,
  channel: number,
): OutputValues {
  if (channels === 1) return raw
  const pixels = raw.length / channels
  if (order === 'channels-first') return raw.subarray(channel * pixels, (channel + 1) * pixels)
  return raw.filter((_, index) => index % channels === channel)
}

/** The share of one channel in the softmax over all of them, for each pixel. */
export function softmaxOf(raw: OutputValues, layout: MaskLayout, channel: number): Float32Array {
  const planes = Array.from({ length: layout.channels ?? 1 }, (_, each) =>
    toFloats(channelOf(raw, layout, each)),
  )
  const own = planes[channel]!
  const shares = new Float32Array(own.length)
  for (let i = 0; i < shares.length; i++) {
    let sum = 0
    for (const plane of planes) sum += Math.exp(plane[i]! - own[i]!)
    shares[i] = 1 / sum
  }
  return shares
}

/**
 * Turns the values of a mask into alpha: the stated activation, then clamped to 0..1, then inverted where they show the
 * background. They are never stretched between their own extremes, which would turn the faint noise of a picture without
 * a subject into a full mask.
 *
 * @param raw one value for each pixel; of softmax, what `softmaxOf` gives
 * @throws RmbgError MODEL_OUTPUT when a value is not a finite number
 */
export function toAlpha(
  raw: OutputValues,
  { activation, invert }: Pick<ModelSpec, 'activation' | 'invert'>,
): Float32Array<ArrayBuffer> {
  const values = raw instanceof Uint16Array ? fromHalves(raw) : raw
  if (activation !== 'sigmoid' && !invert) return clamped(values)
  const alpha = new Float32Array(values.length)
  // Anything that is no number, or infinite, makes the sum so.
  let sum = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    sum += value
    const activated = activation === 'sigmoid' ? 1 / (1 + Math.exp(-value)) : value
    const share = activated < 0 ? 0 : activated > 1 ? 1 : activated
    alpha[i] = invert ? 1 - share : share
  }
  if (!Number.isFinite(sum)) throw notANumber(values)
  return alpha
}

/**
 * Values clamped to 0..1, by their bits (IEEE 754): those of positive numbers are in the order of the numbers. No jump
 * depends on a value, which makes it four times as fast where a mask is noisy.
 *
 * @throws RmbgError MODEL_OUTPUT when a value is not a finite number
 */
function clamped(values: Float32Array): Float32Array<ArrayBuffer> {
  const alpha = new Float32Array(values.length)
  const from = new Int32Array(values.buffer, values.byteOffset, values.length)
  const to = new Int32Array(alpha.buffer)
  const one = 0x3f800000
  const infinite = 0x7f800000
  let areFinite = -1 // the sign bit of all
  for (let i = 0; i < from.length; i++) {
    const value = from[i]!
    areFinite &= (value & 0x7fffffff) - infinite
    const positive = value & ~(value >> 31)
    const room = one - positive
    to[i] = positive + (room & (room >> 31))
  }
  if (areFinite >= 0) throw notANumber(values)
  return alpha
}

function notANumber(values: Float32Array): RmbgError {
  const value = values.find((each) => !Number.isFinite(each))
  return new RmbgError('MODEL_OUTPUT', `The model gave a mask with ${value} in it.`, {
    hint: 'The model file may be damaged or its precision too low for this picture; try another variant of it.',
  })
}
