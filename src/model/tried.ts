/** Models that nobody vouches for: tried when they are first opened, and the outcome is kept for the next time. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../system/files.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Device, LoadedModel, ModelSpec } from './contract.ts'
import type { RuntimeNews } from './runtime/provide.ts'
import { openModel } from './session.ts'
import { assertUsable, type Judgement, judgeLoaded } from './trial.ts'

/** Goes up when a trial judges differently, so that kept outcomes of earlier releases no longer count. */
const trialVersion = 1

/**
 * As `openModel`. A model whose spec is `unproven` is tried on rendered pictures, once for each file and its settings.
 *
 * @param options.modelsFolder keeps the outcomes; where it cannot be written, the model is tried each time
 * @throws RmbgError as `openModel`; MODEL_INVALID when the masks of all trial pictures are unusable
 */
export async function openTriedModel(
  spec: ModelSpec,
  options: {
    threads?: number | undefined
    device?: Device | undefined
    tell?: ((news: RuntimeNews) => void) | undefined
    modelsFolder: string
  },
): Promise<LoadedModel> {
  const record = join(options.modelsFolder, '.trials', `${trialKey(spec)}.json`)
  const kept = spec.unproven ? await readJudgements(record) : []
  // What failed before is not loaded again.
  if (kept) assertUsable(spec, kept)
  const model = await openModel(spec, options)
  if (kept) return model
  try {
    const judgements = await judgeLoaded(model)
    await writeAtomically(record, Buffer.from(`${JSON.stringify(judgements)}\n`)).catch(() => {})
    assertUsable(spec, judgements)
    return model
  } catch (error) {
    await model.close()
    throw error
  }
}

/** Of everything in a spec that a mask follows from. */
function trialKey(spec: ModelSpec): string {
  const { sha256, inputSize, normalisation, channelOrder, activation, output, outputChannel, invert } = spec
  const settings = { inputSize, normalisation, channelOrder, activation, output, outputChannel, invert }
  return sha256Of(JSON.stringify({ trialVersion, sha256, ...settings }))
}

/** @returns undefined when the model was not tried before */
async function readJudgements(file: string): Promise<Judgement[] | undefined> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(kept) ? (kept as Judgement[]) : undefined
  } catch {
    return undefined
  }
}
