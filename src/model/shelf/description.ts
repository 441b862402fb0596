import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { RmbgError } from '../../errors.ts'

const sizeExpected = 'expected two whole numbers from 1 to 16384, [width, height]'
const pixels = z.int(sizeExpected).min(1, sizeExpected).max(16384, sizeExpected)
const channels = (channel: z.ZodNumber, error: string) => z.tuple([channel, channel, channel], error)
const meanExpected = 'expected three numbers, for R, G and B'
const stdExpected = 'expected three numbers above 0, for R, G and B'

/** What `model.json` may say about the `model.onnx` beside it; every key is optional. */
const schema = z
  .strictObject({
    /** In pixels. */
    inputSize: z.tuple([pixels, pixels], sizeExpected),
    /** Per channel, for values of 0..1; default: ImageNet's. */
    mean: channels(z.number(meanExpected), meanExpected),
    std: channels(z.number(stdExpected).positive(stdExpected), stdExpected),
    /** Applied to the output; default: none. */
    activation: z.enum(['none', 'sigmoid'], 'expected "none" or "sigmoid"'),
    /** Which output is the mask; default: the first. */
    output: z.string('expected the name of an output'),
    /** For people, such as an SPDX identifier. */
    license: z.string('expected text'),
  })
  .partial()

export type ModelDescription = z.infer<typeof schema>

/**
 * Reads the JSON file beside a model; an empty description when there is none.
 *
 * @throws RmbgError MODEL_INVALID naming file and key
 */
export async function readDescription(file: string): Promise<ModelDescription> {
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw new RmbgError('MODEL_INVALID', `${file} cannot be read (${code}).`, { cause })
  }
  let json: unknown
  try {
    json = JSON.parse(content)
  } catch (cause) {
    throw new RmbgError('MODEL_INVALID', `${file}: not valid JSON.`, { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new RmbgError('MODEL_INVALID', `${file}: ${problem(parsed.error.issues[0]!)}.`, {
    hint: `Known keys: ${Object.keys(schema.shape).join(', ')}.`,
  })
}

function problem(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `the key "${issue.keys[0]}" is not known`
  const [key] = issue.path
  return key === undefined ? 'expected a JSON object' : `"${String(key)}" is wrong: ${issue.message}`
}
