import type { ImageHeader } from './codec/decode.ts'
import { planLayout } from './layout.ts'
import { type CutoutRecipe, formats } from './options.ts'

/**
 * What one picture costs in memory at its peak, in bytes: file, decoded pixels, cut-out, mask, both encoded, and what
 * libvips and the encoder work with. An upper estimate: admission by it keeps the whole run within a budget.
 * Measured: of noise with 100 megapixels and its colors kept, which encodes to most, the peak of a run is 15 bytes per pixel
 * above that of a run over tiny pictures, and 30 in 16 bits; the formats' own needs are in test/faults/FUZZ.md too. What
 * is the same for every picture covers what was not collected yet of those before.
 *
 * @param fileSize bytes
 */
export function estimateBytes(
  picture: Pick<ImageHeader, 'width' | 'height'>,
  fileSize: number,
  cutout: Omit<CutoutRecipe, 'rules'>,
): number {
  const { depth, size, format } = cutout
  const pixels = picture.width * picture.height
  const { canvas } = planLayout(picture, undefined, cutout)
  // A side that is left open follows from the subject, whose proportions are not known yet.
  const longest = Math.max(size?.width ?? 0, size?.height ?? 0)
  const canvasPixels = Math.max(canvas.width * canvas.height, longest ** 2)
  const beyondPicture = size ? canvasPixels : canvasPixels - pixels
  return (
    pixels * (depth === 16 ? 32 : 16) +
    beyondPicture * depth +
    canvasPixels * formats[format].encoderBytes +
    2 * fileSize +
    32 * 2 ** 20
  )
}
