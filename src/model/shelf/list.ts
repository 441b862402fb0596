import { readdir, stat } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { allTunings, type KeptTuning } from '../tuning/kept.ts'
import { readDescription } from './description.ts'
import { modelPaths, readOrigin } from './installed.ts'
import { fetchableModels } from './known.ts'
import { builtinModels } from './registry.ts'

export interface ListedModel {
  /** As it is written on the command line. */
  name: string
  /** `own`: somebody put the file into the models folder. `unfinished`: a download of it was begun. */
  state: 'built-in' | 'installed' | 'own' | 'unfinished' | 'available'
  /** Bytes, where known. Of an unfinished one, of what has come. */
  size?: number
  license: string
  /** Only for the first variant of a model. */
  summary?: string
  /** Path, unless it is only available. */
  file?: string
  /** How it runs on this machine, and why, where that was measured. */
  tuned?: Pick<KeptTuning, 'chosen' | 'reason' | 'prefer' | 'tuning' | 'measuredAt'>
}

/** All models that can be named: the built-in ones first, what lies in the models folder, what can be fetched. */
export async function listModels(modelsFolder: string): Promise<ListedModel[]> {
  const builtin = Object.entries(builtinModels).map(
    ([name, { size, license, summary, file }]): ListedModel => ({
      name,
      state: 'built-in',
      size,
      license,
      summary,
      file: fileURLToPath(file),
    }),
  )
  const fetchable = await listFetchable(modelsFolder)
  const known = new Set(fetchable.flatMap(({ file }) => file ?? []))
  const models = [...builtin, ...(await listOwn(modelsFolder, known)), ...fetchable]
  const tunings = new Map((await allTunings(modelsFolder)).map((each) => [each.file, each]))
  return models.map((model) => withTuning(model, tunings.get(model.file ?? '')))
}

function withTuning(model: ListedModel, kept: KeptTuning | undefined): ListedModel {
  if (!kept) return model
  const { chosen, reason, prefer, tuning, measuredAt } = kept
  return { ...model, tuned: { chosen, reason, prefer, tuning, measuredAt } }
}

async function listFetchable(modelsFolder: string): Promise<ListedModel[]> {
  const models: ListedModel[] = []
  for (const [name, { variants, license, summary }] of Object.entries(fetchableModels)) {
    for (const [index, [variant, { size }]] of Object.entries(variants).entries()) {
      const present = await presentVariant(modelsFolder, name, variant)
      models.push({
        name: index === 0 ? name : `${name}:${variant}`,
        state: 'available',
        ...(size !== undefined && { size }),
        license,
        ...(index === 0 && { summary }),
        ...present,
      })
    }
  }
  return models
}

async function presentVariant(
  modelsFolder: string,
  name: string,
  variant: string,
): Promise<Pick<ListedModel, 'state' | 'size' | 'file'> | undefined> {
  const { file } = modelPaths(modelsFolder, name, variant)
  const origin = await readOrigin(modelsFolder, name, variant)
  if (origin) return { state: 'installed', size: origin.size, file }
  const part = await stat(`${file}.part`).catch(() => undefined)
  return part && { state: 'unfinished', size: part.size, file: `${file}.part` }
}

/** A file right in the models folder is found by its bare name, one deeper in there by its path. */
async function listOwn(modelsFolder: string, known: ReadonlySet<string>): Promise<ListedModel[]> {
  const entries = await readdir(modelsFolder, { withFileTypes: true, recursive: true }).catch(() => [])
  const models: ListedModel[] = []
  for (const { name: base, parentPath } of entries) {
    const file = join(parentPath, base)
    if (!/\.onnx$/i.test(base) || known.has(file)) continue
    const found = await stat(file).catch(() => undefined)
    if (!found?.isFile()) continue
    const { name } = parse(base)
    const isShadowed = Object.hasOwn(builtinModels, name) || !base.endsWith('.onnx')
    const description = await readDescription(join(parentPath, `${name}.json`)).catch(() => undefined)
    models.push({
      name: parentPath === modelsFolder && !isShadowed ? name : file,
      state: 'own',
      size: found.size,
      license: description?.license ?? 'unknown',
      file,
    })
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1))
}
