import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { RmbgError } from '../errors.ts'

const channels = z.tuple([z.number(), z.number(), z.number()])
const pixels = z.number().int().min(1).max(16384)

/** What `model.json` may say of the `model.onnx` beside it; every key may be left out. */
const schema = z
  .strictObject({
    /** [width, height] in pixels. */
    inputSize: z.tuple([pixels, pixels]),
    /** Per channel R, G, B on values of 0..1; default: ImageNet's. */
    mean: channels,
    std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
    /** What is still to be applied to the output; default: none. */
    activation: z.enum(['none', 'sigmoid']),
    /** Which output is the mask; default: the first. */
    output: z.string().min(1),
    /** For people, e.g. an SPDX identifier. */
    licence: z.string().min(1),
  })
  .partial()

export type ModelDescription = z.infer<typeof schema>

/**
 * Reads the JSON file beside a model; an absent one says nothing.
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
    throw new RmbgError('MODEL_INVALID', `${file} is not valid JSON.`, { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  throw new RmbgError('MODEL_INVALID', `${file}: ${sentence(issue)}.`, {
    hint: `Known keys: ${Object.keys(schema.shape).join(', ')}.`,
  })
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `the key "${issue.keys[0]}" is not known`
  const place = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : String(key))).join('')
  return `${place ? `"${place}" is wrong: ` : ''}${issue.message.replace(/^Invalid input: /, '')}`
}
