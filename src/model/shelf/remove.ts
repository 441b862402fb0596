import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { forgetPrepared } from '../prepared/shelf.ts'
import { forgetTuning } from '../tuning/kept.ts'
import { installedVariants, modelPaths, notInstalled } from './installed.ts'

/**
 * Deletes an installed model, and what was prepared and measured of it.
 *
 * @param nameAndVariant `rmbg-2.0` for all its variants, `rmbg-2.0:q4f16` for one
 * @returns paths of the deleted files
 * @throws RmbgError MODEL_MISSING when it is not installed
 */
export async function removeModel(modelsFolder: string, nameAndVariant: string): Promise<string[]> {
  const installed = await installedVariants(modelsFolder, nameAndVariant)
  if (installed.length === 0) throw notInstalled(nameAndVariant)
  const removed: string[] = []
  for (const { name, variant, license, sha256 } of installed) {
    const paths = modelPaths(modelsFolder, name, variant)
    const { file, origin } = paths
    // A file without its origin is not installed, so a crash in between leaves nothing that looks whole.
    await rm(origin, { force: true })
    await rm(file, { force: true })
    for (const text of license.texts ?? []) await rm(paths.license(basename(text)), { force: true })
    await forgetPrepared(modelsFolder, sha256)
    await forgetTuning(modelsFolder, sha256)
    removed.push(file)
  }
  return removed
}
