import type { ModelChoice } from '../contract.ts'
import { readOrigin } from './installed.ts'
import { fetchableModels } from './known.ts'

/**
 * What `auto` takes, best first; behind them the built-in model. What this project has measured goes before what it has
 * not. MODNet knows people only, so it is never taken unasked.
 */
export const autoOrder = [
  'rmbg-2.0',
  'birefnet-general',
  'birefnet-general-lite',
  'isnet',
  'isnet-general-use',
  'rmbg-1.4',
  'u2net',
  'silueta',
  'u2netp',
] as const

export interface Best {
  name: string
  variant: string
  choice: ModelChoice
}

/** The best of the installed models; undefined where none of them is. */
export async function bestInstalled(modelsFolder: string): Promise<Best | undefined> {
  const notInstalled: string[] = []
  for (const name of autoOrder) {
    for (const variant of Object.keys(fetchableModels[name]!.variants)) {
      if (await readOrigin(modelsFolder, name, variant))
        return { name, variant, choice: { reason: reasonFor(notInstalled), notInstalled } }
    }
    notInstalled.push(name)
  }
  return undefined
}

const reasonFor = (better: readonly string[]): string =>
  better.length === 0 ? 'the best there is' : 'the best of those installed'
