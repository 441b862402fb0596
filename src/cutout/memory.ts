import { sizeText } from '../bytes.ts'
import { RmbgError } from '../errors.ts'
import type { ImageHeader } from './codec/header.ts'
import { planLayout } from './layout.ts'
import { type CutoutRecipe, formats, isWrittenAsItIs } from './options.ts'

/** Memory of decoders other than libvips', per pixel with 8 bits: their planes, their result, and copies of it. */
const decoderBytes: Readonly<Record<string, number>> = { heic: 24, jxl: 44, bmp: 8 }

/**
 * Estimates the peak memory of one picture, in bytes: file, decoded pixels, cut-out, mask, both encoded, and the working
 * memory of libvips and the encoder. It is an upper bound, so that admitting pictures by it keeps a run within its budget.
 * Measured with 100 megapixels of noise and its colors kept, the worst case of the encoders: the peak of a run is 15 bytes
 * per pixel above that of a run over tiny pictures, 30 in 16 bits. test/faults/FUZZ.md has the needs of each format.
 * The constant covers buffers of earlier pictures that wait for the next one, or are not garbage-collected yet.
 *
 * @param fileSize bytes
 */
export function estimateBytes(
  picture: Pick<ImageHeader, 'width' | 'height'> & { format?: string },
  fileSize: number,
  cutout: Omit<CutoutRecipe, 'rules'>,
): number {
  const { depth, size, format } = cutout
  const pixels = picture.width * picture.height
  const { canvas } = planLayout(picture, undefined, cutout)
  // An absent side follows from the subject, whose proportions are not known yet.
  const longest = Math.max(size?.width ?? 0, size?.height ?? 0)
  const canvasPixels = Math.max(canvas.width * canvas.height, longest ** 2)
  const beyondPicture = size ? canvasPixels : canvasPixels - pixels
  return (
    pixels * (depth === 16 ? 32 : 16) +
    pixels * (decoderBytes[picture.format ?? ''] ?? 0) * (depth === 16 ? 2 : 1) +
    beyondPicture * depth +
    // The canvas before and after its shadow, and the shadow's own plane, once more where it is moved.
    (cutout.shadow ? canvasPixels * (depth + 3) : 0) +
    canvasPixels * formats[format].encoderBytes +
    // A cut-out that is not as large as its picture, or stands on something, is in memory before it is written.
    (format === 'png' && !isWrittenAsItIs(picture, cutout) ? (canvasPixels * depth) / 2 : 0) +
    2 * fileSize +
    32 * 2 ** 20
  )
}

/**
 * @param bytesNeeded as estimated
 * @param maxMemory bytes
 * @throws RmbgError MEMORY_BUDGET
 */
export function assertWithinBudget(bytesNeeded: number, maxMemory: number): void {
  if (bytesNeeded <= maxMemory) return
  throw new RmbgError(
    'MEMORY_BUDGET',
    `The image needs about ${sizeText(bytesNeeded)} of memory, more than the budget of ${sizeText(maxMemory)}.`,
    { hint: 'Raise --max-memory, or make the picture or its canvas smaller.' },
  )
}

/** The unit in which memory is counted: a semaphore's cost grows with its count. */
export const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20)
