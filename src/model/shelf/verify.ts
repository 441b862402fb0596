import { rm, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { RmbgError } from '../../errors.ts'
import { modelPaths, readOrigin, sha256Of } from './installed.ts'
import { fetchableModels, findFetchable } from './known.ts'
import { builtinModels } from './registry.ts'

export interface VerifiedModel {
  name: string
  file: string
  sha256: string
  state: 'intact' | 'damaged'
}

/**
 * Reads models and compares them with what was recorded when they were installed.
 *
 * @param nameAndVariant all that ship or are installed unless given
 * @throws RmbgError MODEL_MISSING
 */
export async function verifyModels(modelsFolder: string, nameAndVariant?: string): Promise<VerifiedModel[]> {
  const checked: VerifiedModel[] = []
  for (const [name, { file, size }] of Object.entries(builtinModels)) {
    if (nameAndVariant !== undefined && nameAndVariant !== name) continue
    const path = fileURLToPath(file)
    const state = (await stat(path)).size === size ? 'intact' : 'damaged'
    checked.push({ name, file: path, sha256: await sha256Of(path), state })
  }
  for (const { name, variant } of await installedVariants(modelsFolder, nameAndVariant)) {
    const origin = (await readOrigin(modelsFolder, name, variant))!
    const { file } = modelPaths(modelsFolder, name, variant)
    const sha256 = await sha256Of(file)
    checked.push({
      name: `${name}:${variant}`,
      file,
      sha256,
      state: sha256 === origin.sha256 ? 'intact' : 'damaged',
    })
  }
  if (checked.length === 0) throw notInstalled(nameAndVariant ?? '')
  return checked
}

/**
 * Deletes an installed model, all its variants unless one is named.
 *
 * @returns the files that are gone
 * @throws RmbgError MODEL_MISSING
 */
export async function removeModel(modelsFolder: string, nameAndVariant: string): Promise<string[]> {
  const installed = await installedVariants(modelsFolder, nameAndVariant)
  if (installed.length === 0) throw notInstalled(nameAndVariant)
  const removed: string[] = []
  for (const { name, variant } of installed) {
    const { file, origin } = modelPaths(modelsFolder, name, variant)
    // Without its origin a file is not installed, so a crash in between leaves nothing that looks whole.
    await rm(origin, { force: true })
    await rm(file, { force: true })
    removed.push(file)
  }
  return removed
}

async function installedVariants(modelsFolder: string, nameAndVariant: string | undefined) {
  const found = nameAndVariant === undefined ? undefined : findFetchable(nameAndVariant)
  if (nameAndVariant !== undefined && !found) return []
  const isOne = nameAndVariant?.includes(':')
  const installed: { name: string; variant: string }[] = []
  for (const [name, { variants }] of Object.entries(fetchableModels)) {
    if (found && found.name !== name) continue
    for (const variant of isOne ? [found!.variant] : Object.keys(variants)) {
      if (await readOrigin(modelsFolder, name, variant)) installed.push({ name, variant })
    }
  }
  return installed
}

const notInstalled = (name: string): RmbgError =>
  new RmbgError('MODEL_MISSING', `The model ${name} is not installed.`, {
    hint: 'See what is with: rmbg model list',
  })
