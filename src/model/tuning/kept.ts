/** Results of measurements, in `.tuned` of the models folder: for each model, one for each kind of machine. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { writeAtomically } from '../../system/files.ts'
import { sha256Of } from '../../system/sha256.ts'
import { processorOf } from '../processor.ts'
import { runtimeVersion } from '../runtime/packages.ts'
import type { MeasuredCandidate, Preference } from './choose.ts'
import type { SessionTuning } from './options.ts'

/** Goes up when the options mean something else, so that results of earlier releases no longer count. */
const tuningVersion = 1

export interface KeptTuning {
  /** As people type it. */
  model: string
  /** Absolute path of its file. */
  file: string
  /** Hex SHA-256. */
  sha256: string
  /** A result holds for this release of ONNX Runtime, this processor and this number of cores only. */
  runtime: string
  processor: string
  cores: number
  prefer: Preference
  /** Name of the chosen way, and why. */
  chosen: string
  reason: string
  tuning: SessionTuning
  measured: MeasuredCandidate[]
  /** ISO 8601. */
  measuredAt: string
}

/** What a result has to be of, to count here and now. */
const here = () => ({
  runtime: runtimeVersion,
  processor: processorOf(),
  cores: availableParallelism(),
})

const folderOf = (modelsFolder: string, sha256: string): string => join(modelsFolder, '.tuned', sha256)

const fileOf = (modelsFolder: string, sha256: string): string =>
  join(folderOf(modelsFolder, sha256), `${sha256Of(JSON.stringify({ tuningVersion, ...here() }))}.json`)

/** @returns undefined where this model was not measured on such a machine */
export async function readTuning(modelsFolder: string, sha256: string): Promise<KeptTuning | undefined> {
  return readKept(fileOf(modelsFolder, sha256))
}

async function readKept(file: string): Promise<KeptTuning | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as KeptTuning
  } catch {
    return undefined
  }
}

/**
 * Keeps a result, and removes those of the same processor that no longer count.
 *
 * @throws RmbgError OUTPUT_UNWRITABLE
 */
export async function keepTuning(
  modelsFolder: string,
  result: Omit<KeptTuning, 'runtime' | 'processor' | 'cores' | 'measuredAt'>,
): Promise<KeptTuning> {
  const kept: KeptTuning = { ...result, ...here(), measuredAt: new Date().toISOString() }
  const file = fileOf(modelsFolder, result.sha256)
  await writeAtomically(file, Buffer.from(`${JSON.stringify(kept)}\n`), { what: 'measurement' })
  const folder = folderOf(modelsFolder, result.sha256)
  for (const name of await readdir(folder)) {
    const other = join(folder, name)
    if (other === file || !name.endsWith('.json')) continue
    if ((await readKept(other))?.processor === kept.processor) await rm(other, { force: true })
  }
  return kept
}

/** Of all models, as they count here. */
export async function allTunings(modelsFolder: string): Promise<KeptTuning[]> {
  const digests = await readdir(join(modelsFolder, '.tuned')).catch(() => [])
  const found = await Promise.all(digests.map((sha256) => readTuning(modelsFolder, sha256)))
  return found.filter((each) => each !== undefined)
}

/** @returns whether there was anything to forget */
export async function forgetTuning(modelsFolder: string, sha256: string): Promise<boolean> {
  const folder = folderOf(modelsFolder, sha256)
  const kept = await readdir(folder).catch(() => [])
  await rm(folder, { recursive: true, force: true })
  return kept.length > 0
}
