import { fileURLToPath } from 'node:url'
import { RmbgError } from '../../errors.ts'
import { modelName } from '../contract.ts'
import { type Comparison, compareWithPublished } from '../expected.ts'
import type { OpenOptions } from '../session.ts'
import { type Trial, tryModel } from '../trial.ts'
import { sha256OfModel } from './digest.ts'
import { installedVariants, modelPaths, notInstalled } from './installed.ts'
import { builtinModels, isModelPath, resolveModel } from './registry.ts'

export interface VerifiedModel {
  name: string
  file: string
  /** Hex, of the model as it is now, with the files that hold its weights. */
  sha256: string
  /** `unknown`: a file given by path that is none of the known models. */
  state: 'intact' | 'damaged' | 'unknown'
  origin: 'built-in' | 'installed' | 'file'
}

/**
 * Reads models whole and compares their SHA-256: of built-in ones with the digest this program was released with, of
 * installed ones with the digest recorded when they were installed, of a file given by path with those of the known models.
 *
 * @param nameAndVariant one model, or the path of a file; without it, every built-in and installed one
 * @throws RmbgError MODEL_MISSING when there is no such model, MODEL_INVALID when a file cannot be read
 */
export async function verifyModels(modelsFolder: string, nameAndVariant?: string): Promise<VerifiedModel[]> {
  if (nameAndVariant !== undefined && isModelPath(nameAndVariant)) {
    const spec = await resolveModel(nameAndVariant, { modelsFolder })
    const state = spec.unproven ? 'unknown' : 'intact'
    return [{ name: modelName(spec), file: spec.file, sha256: spec.sha256, state, origin: 'file' }]
  }
  const verified: VerifiedModel[] = []
  const verify = async (model: Omit<VerifiedModel, 'sha256' | 'state'>, expected: string) => {
    const sha256 = await sha256OfModel(model.file)
    verified.push({ ...model, sha256, state: sha256 === expected ? 'intact' : 'damaged' })
  }
  for (const [name, { file, sha256 }] of Object.entries(builtinModels)) {
    if (nameAndVariant !== undefined && nameAndVariant !== name) continue
    await verify({ name, file: fileURLToPath(file), origin: 'built-in' }, sha256)
  }
  for (const { name, variant, sha256 } of await installedVariants(modelsFolder, nameAndVariant)) {
    const { file } = modelPaths(modelsFolder, name, variant)
    await verify({ name: `${name}:${variant}`, file, origin: 'installed' }, sha256)
  }
  if (verified.length === 0) throw notInstalled(nameAndVariant ?? '')
  return verified
}

/** What running a verified model on the trial pictures showed: the figures, or why it failed. */
export type TriedModel = { trial: Trial; comparison: Comparison } | { problem: string }

/**
 * Runs a model on the trial pictures and compares the masks with the published ones, where there are any: a check that
 * needs no other tool and no picture, so that figures of two machines can be compared.
 */
export async function tryVerified(
  { name, file, origin }: VerifiedModel,
  options: OpenOptions & { modelsFolder: string },
): Promise<TriedModel> {
  try {
    const trial = await tryModel(await resolveModel(origin === 'file' ? file : name, options), options)
    return { trial, comparison: compareWithPublished(trial) }
  } catch (error) {
    if (error instanceof RmbgError) return { problem: error.message }
    throw error
  }
}
