import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { RmbgError } from '../../errors.ts'
import { activations, padPositions } from '../contract.ts'

const sizeExpected = 'expected two whole numbers from 1 to 16384, [width, height]'
const pixels = z.int(sizeExpected).min(1, sizeExpected).max(16384, sizeExpected)
const channels = (channel: z.ZodNumber, error: string) => z.tuple([channel, channel, channel], error)
const oneOf = (words: readonly string[]) => `expected ${words.map((word) => `"${word}"`).join(' or ')}`
const meanExpected = 'expected three numbers, for R, G and B'
const stdExpected = 'expected three numbers above 0, for R, G and B'
const colorExpected = 'expected three whole numbers from 0 to 255, for R, G and B'
const byte = z.int(colorExpected).min(0, colorExpected).max(255, colorExpected)
const channelExpected = 'expected the index of a channel, from 0'
const channelOrders = ['RGB', 'BGR'] as const
const resizes = ['stretch', 'letterbox'] as const

/** What `model.json` may say about the `model.onnx` beside it; every key is optional. */
const schema = z
  .strictObject({
    /** In pixels. */
    inputSize: z.tuple([pixels, pixels], sizeExpected),
    /** Of R, G and B in this order, whatever `channelOrder` is, for values of 0..1; default: ImageNet's. */
    mean: channels(z.number(meanExpected), meanExpected),
    std: channels(z.number(stdExpected).positive(stdExpected), stdExpected),
    /** Order of the color channels in the input; default: RGB. */
    channelOrder: z.enum(channelOrders, oneOf(channelOrders)),
    /** How a picture of other proportions gets to the input size; default: stretch. */
    resize: z.enum(resizes, oneOf(resizes)),
    /** Of the bars that `letterbox` adds; default: black. */
    padColor: channels(byte, colorExpected),
    /** Where `letterbox` puts the picture; default: center. */
    padPosition: z.enum(padPositions, oneOf(padPositions)),
    /** Applied to the output; default: none. `softmax` is taken over its channels. */
    activation: z.enum(activations, oneOf(activations)),
    /** Which output is the mask; default: the first. */
    output: z.string('expected the name of an output'),
    /** Which channel of the output is the mask, from 0; default: it has one channel. */
    outputChannel: z.int(channelExpected).min(0, channelExpected),
    /** The output shows the background instead of the subject; default: false. */
    invert: z.boolean('expected true or false'),
    /** For people, such as an SPDX identifier. */
    license: z.string('expected text'),
  })
  .partial()

export type ModelDescription = z.infer<typeof schema>

/**
 * Reads the JSON file beside a model.
 *
 * @returns undefined when there is none
 * @throws RmbgError MODEL_INVALID naming file and key
 */
export async function readDescription(file: string): Promise<ModelDescription | undefined> {
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new RmbgError('MODEL_INVALID', `${file} cannot be read (${code}).`, { cause })
  }
  let json: unknown
  try {
    json = JSON.parse(content)
  } catch (cause) {
    throw new RmbgError('MODEL_INVALID', `${file}: not valid JSON.`, { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) {
    requireSense(file, parsed.data)
    return parsed.data
  }
  throw new RmbgError('MODEL_INVALID', `${file}: ${problem(parsed.error.issues[0]!)}.`, {
    hint: `Known keys: ${Object.keys(schema.shape).join(', ')}.`,
  })
}

function problem(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `the key "${issue.keys[0]}" is not known`
  const [key] = issue.path
  return key === undefined ? 'expected a JSON object' : `"${String(key)}" is wrong: ${issue.message}`
}

/** No mean of values in 0..1 is larger, and no spread comes near twice their whole range. */
const largest = { mean: 1, std: 2 }

/** @throws RmbgError MODEL_INVALID where the keys, each right by itself, cannot be meant together */
function requireSense(
  file: string,
  { mean, std, activation, outputChannel, ...other }: ModelDescription,
): void {
  const refuse = (message: string, hint: string) =>
    new RmbgError('MODEL_INVALID', `${file}: ${message}.`, { hint })
  const isTooLarge = (values: readonly number[] | undefined, limit: number) =>
    values?.some((value) => Math.abs(value) > limit) ?? false
  if (isTooLarge(mean, largest.mean) || isTooLarge(std, largest.std)) {
    throw refuse('"mean" and "std" are applied to values of 0..1, but these are for 0..255', meant(mean, std))
  }
  if (activation === 'softmax' && outputChannel === undefined) {
    throw refuse(
      '"activation": "softmax" needs "outputChannel"',
      'With two channels, background and subject, it is usually 1.',
    )
  }
  const padding = (['padColor', 'padPosition'] as const).find((key) => other[key] !== undefined)
  if (padding && other.resize !== 'letterbox') {
    throw refuse(
      `"${padding}" has no effect without "resize": "letterbox"`,
      `Add that, or remove "${padding}".`,
    )
  }
}

/** The same normalization for values of 0..1. */
function meant(mean: ModelDescription['mean'], std: ModelDescription['std']): string {
  const scaled = (values: readonly number[]) =>
    `[${values.map((value) => Number((value / 255).toFixed(5))).join(', ')}]`
  const keys = [...(mean ? [`"mean": ${scaled(mean)}`] : []), ...(std ? [`"std": ${scaled(std)}`] : [])]
  return `Divide them by 255: ${keys.join(', ')}.`
}
