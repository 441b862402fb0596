import { stat } from 'node:fs/promises'
import { join, parse, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RmbgError } from '../../errors.ts'
import { isAbsent } from '../../system/files.ts'
import type { ModelSpec } from '../contract.ts'
import { autoOrder, bestInstalled } from './auto.ts'
import { type ModelDescription, readDescription } from './description.ts'
import { sha256OfModel } from './digest.ts'
import { currentSha256, modelPaths, readOrigin } from './installed.ts'
import { fetchableModels, findFetchable } from './known.ts'
import { recognize } from './recognize.ts'

/** A model that ships with the package. */
export interface BuiltinModel
  extends Required<Pick<ModelDescription, 'inputSize' | 'mean' | 'std' | 'activation' | 'license'>> {
  /** One line for people. */
  summary: string
  /** Its matte is enlarged along the picture's edges. */
  guided: boolean
  /** See `ModelSpec`. */
  leastExpectedIou?: number
  file: URL
  /** Bytes. */
  size: number
  /** Hex; test/model/shelf/registry.test.ts compares it with the file. */
  sha256: string
}

/** The models that ship with the package. */
export const builtinModels: Readonly<Record<string, BuiltinModel>> = {
  silhouette: {
    summary: 'Any one clear subject; small and quick, learned from rendered scenes only (training/).',
    file: new URL('../../../src/model/builtin/silhouette.onnx', import.meta.url),
    size: 4_092_730,
    sha256: '3ad1706a7c076c3a131f95ff0dfeeef87eb833535ba99eb0ea465fdab6de7344',
    guided: true,
    leastExpectedIou: 0.7,
    inputSize: [384, 384],
    mean: [0, 0, 0],
    std: [1, 1, 1],
    activation: 'none',
    license: 'MIT',
  },
  backdrop: {
    summary:
      'Subjects on a plain or graded studio backdrop, found by the statistics of the border; nothing learned.',
    file: new URL('../../../src/model/builtin/backdrop.onnx', import.meta.url),
    size: 84_000,
    sha256: '29897494bc08014224f9bb7e42c5f57a65c890ec060cb3a65f880d760cd3196c',
    guided: true,
    inputSize: [384, 384],
    mean: [0, 0, 0],
    std: [1, 1, 1],
    activation: 'none',
    license: 'MIT',
  },
}

/** What `auto` uses when no better model is installed. */
export const builtinDefault = 'silhouette'
/** For a model given by path: what the JSON file beside it does not state. */
const defaults = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  activation: 'none',
  license: 'unknown',
} satisfies ModelDescription

/** Whether a model is named by the path of its file. */
export const isModelPath = (nameOrPath: string): boolean => /[\\/]|\.onnx$/i.test(nameOrPath)

/**
 * Finds a model without loading it: `auto`, the name of a built-in or installed model (`rmbg-2.0`, `rmbg-2.0:q4f16`), the
 * path of an .onnx file (anything that ends in .onnx or contains a slash), or the bare name of a file that somebody
 * put into the models folder. A file that is one of the known models by its digest has that model's name and settings. Any
 * file may have a JSON file of the same name beside it (`description.ts`), which goes before. Without either, ImageNet's
 * normalization is assumed, and that the output is alpha as it is.
 *
 * Only `auto` chooses: a model that is named is used or refused.
 *
 * @throws RmbgError MODEL_MISSING, MODEL_DAMAGED when the digest is wrong, or MODEL_INVALID when the file or its JSON
 *   cannot be used
 */
export async function resolveModel(
  nameOrPath: string,
  options: { modelsFolder: string },
): Promise<ModelSpec> {
  if (nameOrPath === 'auto') return resolveAuto(options.modelsFolder)
  const isPath = isModelPath(nameOrPath)
  const builtin = Object.hasOwn(builtinModels, nameOrPath) ? builtinModels[nameOrPath] : undefined
  if (builtin && !isPath) return resolveBuiltin(nameOrPath, builtin)
  const fetched = isPath ? undefined : await resolveFetched(nameOrPath, options.modelsFolder)
  return fetched ?? resolveFile(nameOrPath, isPath, options.modelsFolder)
}

async function resolveBuiltin(name: string, builtin: BuiltinModel): Promise<ModelSpec> {
  const file = fileURLToPath(builtin.file)
  const sha256 = await sha256OfModel(file)
  if (sha256 !== builtin.sha256) {
    throw new RmbgError('MODEL_DAMAGED', `${file} is not the built-in model ${name}: its digest is wrong.`, {
      hint: 'Install rmbg-batch again.',
    })
  }
  const { guided, leastExpectedIou } = builtin
  return {
    ...toSpec(name, file, sha256, builtin),
    guided,
    ...(leastExpectedIou !== undefined && { leastExpectedIou }),
  }
}

async function resolveAuto(modelsFolder: string): Promise<ModelSpec> {
  const best = await bestInstalled(modelsFolder)
  if (best) {
    const spec = await resolveFetched(`${best.name}:${best.variant}`, modelsFolder)
    if (spec) return { ...spec, choice: best.choice }
  }
  return {
    ...(await resolveModel(builtinDefault, { modelsFolder })),
    choice: { reason: 'no better one is installed', notInstalled: [...autoOrder] },
    notice:
      `No better model is installed, so the small built-in "${builtinDefault}" is used. It is good for one clear subject, ` +
      'not for much else. For good cut-outs, run this first: rmbg setup --model isnet --yes (or rmbg setup, to choose), and then the same command again.',
  }
}

/** @returns undefined for an unknown name, and for one that is not installed while a file of that name lies in the folder */
async function resolveFetched(nameAndVariant: string, modelsFolder: string): Promise<ModelSpec | undefined> {
  const found = findFetchable(nameAndVariant)
  if (!found) return undefined
  const { name, model, variant } = found
  const origin = await readOrigin(modelsFolder, name, variant)
  if (!origin) {
    if (await isFile(join(modelsFolder, `${nameAndVariant}.onnx`))) return undefined
    throw new RmbgError('MODEL_MISSING', `The model ${nameAndVariant} is not installed.`, {
      hint: `Get it with: rmbg model pull ${nameAndVariant}`,
    })
  }
  const { file } = modelPaths(modelsFolder, name, variant)
  const sha256 = await currentSha256(file, origin)
  if (sha256 !== origin.sha256) {
    throw new RmbgError('MODEL_DAMAGED', `${file} is not what was installed as ${name}:${variant}.`, {
      hint: `Fetch it again: rmbg model remove ${name}:${variant} && rmbg model pull ${name}:${variant}`,
    })
  }
  return { ...toSpec(name, file, sha256, model), variant }
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  )

async function resolveFile(nameOrPath: string, isPath: boolean, modelsFolder: string): Promise<ModelSpec> {
  const file = isPath ? resolve(nameOrPath) : join(modelsFolder, `${nameOrPath}.onnx`)
  const stats = await stat(file).catch((cause) => {
    if (!isAbsent(cause))
      throw new RmbgError('MODEL_INVALID', `${file} cannot be read (${cause.code}).`, { cause })
    const names = [...Object.keys(builtinModels), ...Object.keys(fetchableModels)].join(', ')
    throw new RmbgError(
      'MODEL_MISSING',
      isPath ? `There is no model file ${file}.` : `There is no model named "${nameOrPath}".`,
      {
        hint: `Known models: ${names}. Or give the path of an .onnx file, or put one into ${modelsFolder}.`,
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
  return specOfFile(file)
}

async function specOfFile(file: string): Promise<ModelSpec> {
  const { dir, name } = parse(file)
  const json = `${name}.json`
  const stated = await readDescription(join(dir, json))
  const sha256 = await sha256OfModel(file)
  const known = recognize(sha256)
  if (known) {
    const { variant, model } = known
    return { ...toSpec(known.name, file, sha256, { ...model, ...stated }), variant }
  }
  const spec = toSpec(name, file, sha256, { ...defaults, ...stated })
  if (stated) return { ...spec, unproven: true }
  return {
    ...spec,
    unproven: true,
    notice:
      `${file} is no model that rmbg knows, and there is no ${json} beside it: ImageNet's mean and std and an output of ` +
      '0..1 are assumed. If its masks are wrong, state there what it was trained with.',
  }
}

type Described = Omit<ModelDescription, keyof typeof defaults> &
  Required<Pick<ModelDescription, keyof typeof defaults>>

/** A described file as a session takes it. */
export function toSpec(name: string, file: string, sha256: string, described: Described): ModelSpec {
  const { inputSize, mean, std, channelOrder, activation, output, outputChannel, invert, license } = described
  return {
    name,
    file,
    sha256,
    ...(inputSize && { inputSize: { width: inputSize[0], height: inputSize[1] } }),
    normalisation: { mean, std },
    ...(channelOrder === 'BGR' && { channelOrder }),
    ...letterboxOf(described),
    activation,
    ...(output !== undefined && { output }),
    ...(outputChannel !== undefined && { outputChannel }),
    ...(invert && { invert }),
    license,
  }
}

function letterboxOf({ resize, padColor, padPosition }: Described): Pick<ModelSpec, 'letterbox'> {
  if (resize !== 'letterbox') return {}
  return { letterbox: { padColor: padColor ?? [0, 0, 0], padPosition: padPosition ?? 'center' } }
}
