/** A recipe as JSON and back: workers make the same cut-outs without the files that the settings named. */
import { RmbgError } from '../errors.ts'
import type { CutoutOfAll } from './contract.ts'

/** What one campaign may carry along, in bytes. */
const largestBackground = 16 * 2 ** 20

/** @throws RmbgError USAGE for a background picture that is too large to travel with the campaign */
export function recipeToJson(recipe: CutoutOfAll): Record<string, unknown> {
  const { background } = recipe
  if (!background || !('picture' in background)) return { ...recipe }
  const { picture } = background
  if (picture.byteLength > largestBackground) {
    throw new RmbgError(
      'USAGE',
      'The background picture is larger than 16 MiB, which is too much for a campaign.',
      {
        hint: 'Make it as large as the canvas, and save it as JPEG or WebP.',
      },
    )
  }
  return { ...recipe, background: { picture: Buffer.from(picture).toString('base64') } }
}

export function recipeFromJson(kept: Record<string, unknown>): CutoutOfAll {
  const recipe = kept as unknown as CutoutOfAll & { background?: { picture?: string } }
  const encoded = recipe.background?.picture
  if (typeof encoded !== 'string') return recipe
  const bytes = Buffer.from(encoded, 'base64')
  // Shared with the threads that make the cut-outs, rather than copied to them with every image.
  const picture = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  picture.set(bytes)
  return { ...recipe, background: { picture } }
}
