/** The model of a run: which it is, whether it works, and what it runs on. */
import type { Context } from '../context.ts'
import { type ModelSpec, modelName } from '../model/contract.ts'
import { tryModel } from '../model/trial.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { type Finding, failed, ok } from './finding.ts'

export async function examineModel(context: Context, settings: ResolvedSettings): Promise<Finding[]> {
  let spec: ModelSpec
  try {
    spec = await context.modelSpec()
  } catch (error) {
    return [failed('model', error)]
  }
  return [described(spec), await examineDevice(spec, settings)]
}

function described(spec: ModelSpec): Finding {
  const { choice, notice, license } = spec
  const why = choice === undefined ? 'named by a setting' : `auto: ${choice.reason}`
  const better = choice?.notInstalled ?? []
  const missing =
    better.length > 0 && notice === undefined ? ` Better, but not installed: ${better.join(', ')}.` : ''
  const summary = `${modelName(spec)} (${why}), license ${license}.${missing}`
  if (notice === undefined) return ok('model', summary)
  return {
    name: 'model',
    level: 'warn',
    summary,
    remedy: choice ? 'Set up a better one: rmbg setup' : notice,
  }
}

async function examineDevice(
  spec: ModelSpec,
  { device = 'auto', threads }: ResolvedSettings,
): Promise<Finding> {
  try {
    const { provider, secondsPerImage, loadSeconds, inputSize } = await tryModel(spec, { device, threads })
    const size = `${inputSize.width}x${inputSize.height}`
    const found = device === 'auto' ? `${provider} (auto)` : provider
    return ok(
      'device',
      `${found}: ${secondsPerImage} s for one inference at ${size}, ${loadSeconds} s to load.`,
    )
  } catch (error) {
    return failed('device', error)
  }
}
