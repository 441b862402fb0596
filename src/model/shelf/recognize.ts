import { type FetchableModel, fetchableModels } from './known.ts'

/**
 * Finds which model a file is, by its digest: whoever gives the path of a genuine file means that model, settings and all.
 *
 * @param sha256 hex, of the file and those that it keeps weights in
 * @returns undefined for a file that this program does not know
 */
export function recognize(
  sha256: string,
): { name: string; variant: string; model: FetchableModel } | undefined {
  for (const [name, model] of Object.entries(fetchableModels)) {
    const found = Object.entries(model.variants).find(([, variant]) => variant.sha256 === sha256)
    if (found) return { name, variant: found[0], model }
  }
  return undefined
}
