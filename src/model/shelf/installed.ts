import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RmbgError } from '../../errors.ts'
import { sha256OfModel } from './digest.ts'
import { fetchableModels, findFetchable } from './known.ts'

/** What is recorded beside an installed model. */
export interface Origin {
  /** Where it came from, without a token. */
  source: string
  /** Bytes. */
  size: number
  /** Hex. */
  sha256: string
  /** True when the digest was known before the download; false when it was taken from this copy. */
  pinned: boolean
  fetchedAt: string
  license: {
    name: string
    acceptedBy?: string | undefined
    acceptedAt?: string | undefined
    /** Files beside it, behind its own name and a dot: `LICENSE.md` is `medium.LICENSE.md`. */
    texts?: string[] | undefined
  }
  /** Of the file: with `size`, a cheap way to notice a change. */
  mtimeMs: number
}

/** Where a variant of a model is, or would be, installed. */
export function modelPaths(modelsFolder: string, name: string, variant: string) {
  const folder = join(modelsFolder, name)
  return {
    folder,
    file: join(folder, `${variant}.onnx`),
    origin: join(folder, `${variant}.origin.json`),
    /** Of a license text that came with it. */
    license: (text: string) => join(folder, `${variant}.${text}`),
  }
}

/** The record of an installed variant; undefined when it is not installed, or not completely. */
export async function readOrigin(
  modelsFolder: string,
  name: string,
  variant: string,
): Promise<Origin | undefined> {
  const { file, origin } = modelPaths(modelsFolder, name, variant)
  const present = await stat(file).catch(() => undefined)
  if (!present?.isFile()) return undefined
  try {
    return JSON.parse(await readFile(origin, 'utf8')) as Origin
  } catch {
    return undefined
  }
}

/** Hex SHA-256 of an installed file: the recorded one if size and time are unchanged, otherwise read from the file. */
export async function currentSha256(file: string, origin: Origin): Promise<string> {
  const { size, mtimeMs } = await stat(file)
  return size === origin.size && mtimeMs === origin.mtimeMs ? origin.sha256 : sha256OfModel(file)
}

/**
 * Installed variants with their records.
 *
 * @param nameAndVariant `rmbg-2.0` for all its variants, `rmbg-2.0:q4f16` for one; without it, all models
 */
export async function installedVariants(
  modelsFolder: string,
  nameAndVariant?: string,
): Promise<(Origin & { name: string; variant: string })[]> {
  const found = nameAndVariant === undefined ? undefined : findFetchable(nameAndVariant)
  if (nameAndVariant !== undefined && !found) return []
  const onlyVariant = nameAndVariant?.includes(':') ? found?.variant : undefined
  const candidates = Object.entries(fetchableModels).flatMap(([name, { variants }]) =>
    Object.keys(variants).map((variant) => ({ name, variant })),
  )
  const installed = []
  for (const { name, variant } of candidates) {
    if (found && found.name !== name) continue
    if (onlyVariant !== undefined && onlyVariant !== variant) continue
    const origin = await readOrigin(modelsFolder, name, variant)
    if (origin) installed.push({ ...origin, name, variant })
  }
  return installed
}

export const notInstalled = (name: string): RmbgError =>
  new RmbgError('MODEL_MISSING', `The model ${name} is not installed.`, {
    hint: 'List the installed models with: rmbg model list',
  })
