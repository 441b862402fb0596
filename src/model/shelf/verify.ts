import { fileURLToPath } from 'node:url'
import { sha256OfModel } from './digest.ts'
import { installedVariants, modelPaths, notInstalled } from './installed.ts'
import { builtinModels } from './registry.ts'

export interface VerifiedModel {
  name: string
  file: string
  /** Hex, of the model as it is now, with the files that hold its weights. */
  sha256: string
  state: 'intact' | 'damaged'
  origin: 'built-in' | 'installed'
}

/**
 * Reads models whole and compares their SHA-256: of built-in ones with the digest this program was released with, of
 * installed ones with the digest recorded when they were installed.
 *
 * @param nameAndVariant one model; without it, every built-in and installed one
 * @throws RmbgError MODEL_MISSING when there is no such model, MODEL_INVALID when a file cannot be read
 */
export async function verifyModels(modelsFolder: string, nameAndVariant?: string): Promise<VerifiedModel[]> {
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
