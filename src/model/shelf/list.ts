import { fileURLToPath } from 'node:url'
import { modelPaths, readOrigin } from './installed.ts'
import { fetchableModels } from './known.ts'
import { builtinModels } from './registry.ts'

export interface ListedModel {
  /** As it is written on the command line. */
  name: string
  state: 'built-in' | 'installed' | 'available'
  /** Bytes, where known. */
  size?: number
  license: string
  /** Only for the first variant of a model. */
  summary?: string
  /** Path, when it is built in or installed. */
  file?: string
}

/** All built-in, installed and downloadable models, the built-in ones first. */
export async function listModels(modelsFolder: string): Promise<ListedModel[]> {
  const models: ListedModel[] = Object.entries(builtinModels).map(
    ([name, { size, license, summary, file }]) => ({
      name,
      state: 'built-in',
      size,
      license,
      summary,
      file: fileURLToPath(file),
    }),
  )
  for (const [name, { variants, license, summary }] of Object.entries(fetchableModels)) {
    for (const [index, [variant, { size }]] of Object.entries(variants).entries()) {
      const origin = await readOrigin(modelsFolder, name, variant)
      const known = origin?.size ?? size
      models.push({
        name: index === 0 ? name : `${name}:${variant}`,
        state: origin ? 'installed' : 'available',
        ...(known !== undefined && { size: known }),
        license,
        ...(index === 0 && { summary }),
        ...(origin && { file: modelPaths(modelsFolder, name, variant).file }),
      })
    }
  }
  return models
}
