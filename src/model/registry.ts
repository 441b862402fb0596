import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, parse, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { RmbgError } from '../errors.ts'
import type { ModelSpec } from './contract.ts'
import { type ModelDescription, readDescription } from './description.ts'

export interface KnownModel
  extends Required<Omit<ModelDescription, 'output'>>,
    Pick<ModelDescription, 'output'> {
  /** One line for people. */
  summary: string
  /** Where it comes from. */
  source: string
  /** The file, which ships with the package. */
  file: URL
  /** Bytes. */
  size: number
}

/** The models known by name. */
export const knownModels: Readonly<Record<string, KnownModel>> = {
  backdrop: {
    summary:
      'Subjects on a plain or graded studio backdrop, told by the statistics of the border; nothing learned.',
    source: 'src/model/builtin/backdrop.ts of this project',
    file: new URL('../../src/model/builtin/backdrop.onnx', import.meta.url),
    size: 84_000,
    inputSize: [384, 384],
    mean: [0, 0, 0],
    std: [1, 1, 1],
    activation: 'none',
    licence: 'MIT',
  },
}

/** What holds for a model given by path where the JSON file beside it is silent. */
const defaults = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  activation: 'none',
  licence: 'unknown',
} satisfies ModelDescription

/**
 * Finds a model without loading it: a registry name, the path of an .onnx file (anything that ends so or holds
 * a slash), or the bare name of a file that somebody put into the models folder. A file may have a JSON file of
 * the same name beside it (`description.ts`); without one it is taken to want ImageNet's normalisation and to
 * give alpha as it is.
 *
 * @throws RmbgError MODEL_MISSING, or MODEL_INVALID where the file or its JSON cannot be used
 */
export async function resolveModel(
  nameOrPath: string,
  options: { modelsFolder: string },
): Promise<ModelSpec> {
  const isPath = /[\\/]|\.onnx$/i.test(nameOrPath)
  const known = isPath || !Object.hasOwn(knownModels, nameOrPath) ? undefined : knownModels[nameOrPath]
  if (known) return toSpec(nameOrPath, fileURLToPath(known.file), known)

  const file = isPath ? resolve(nameOrPath) : join(options.modelsFolder, `${nameOrPath}.onnx`)
  const stats = await stat(file).catch((cause) => {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      throw new RmbgError('MODEL_INVALID', `${file} cannot be read (${code}).`, { cause })
    }
    const names = Object.keys(knownModels).join(', ')
    throw new RmbgError(
      'MODEL_MISSING',
      isPath ? `There is no model file ${file}.` : `There is no model named "${nameOrPath}".`,
      {
        hint: `Known models: ${names}. Or give the path of an .onnx file, or put one into ${options.modelsFolder}.`,
        cause,
      },
    )
  })
  if (!stats.isFile()) throw new RmbgError('MODEL_INVALID', `${file} is not a file.`)
  if (!/\.onnx$/i.test(file)) {
    throw new RmbgError('MODEL_INVALID', `${file} does not end in .onnx.`, {
      hint: 'Only ONNX models can be run.',
    })
  }
  const { dir, name } = parse(file)
  return toSpec(name, file, { ...defaults, ...(await readDescription(join(dir, `${name}.json`))) })
}

type Described = Omit<ModelDescription, keyof typeof defaults> &
  Required<Pick<ModelDescription, keyof typeof defaults>>

async function toSpec(name: string, file: string, described: Described): Promise<ModelSpec> {
  const { inputSize, mean, std, activation, output, licence } = described
  return {
    name,
    file,
    sha256: await sha256Of(file),
    ...(inputSize && { inputSize: { width: inputSize[0], height: inputSize[1] } }),
    normalisation: { mean, std },
    activation,
    ...(output !== undefined && { output }),
    licence,
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file), hash)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new RmbgError('MODEL_INVALID', `${file} cannot be read (${code}).`, { cause })
  }
  return hash.digest('hex')
}
