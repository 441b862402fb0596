/** The door of a pixel thread: a task comes in, `cutOut` does it, and its files go out. */
import { workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { type PlainError, RmbgError, toPlainError } from '../errors.ts'
import type { ImageHeader } from './codec/header.ts'
import { type Cutout, cutOut } from './cutout.ts'
import { modelAt, type PortedModel } from './model-port.ts'
import type { CutoutRecipe } from './options.ts'
import { useKernels } from './pixels/kernels.ts'

useKernels(workerData)

export interface CutoutTask {
  file: Uint8Array
  subject: PortedModel | { mask: Uint8Array }
  recipe: CutoutRecipe
  metadata: ImageHeader['metadata']
}

export type CutoutAnswer = Cutout | { refused: PlainError }

export default async function cutOutTask({ file, subject, recipe, metadata }: CutoutTask): Promise<unknown> {
  try {
    const asked = 'port' in subject ? modelAt(subject) : subject
    const cutout = await cutOut(file, asked, recipe, metadata && withBuffers(metadata))
    const [mask, processed] = [owned(cutout.mask), owned(cutout.processed)]
    return moved({ ...cutout, mask, processed }, [mask.bytes.buffer, processed.bytes.buffer])
  } catch (error) {
    // Errors lose their class between threads.
    if (error instanceof RmbgError) return { refused: toPlainError(error) }
    throw error
  } finally {
    if ('port' in subject) subject.port.close()
  }
}

/** Between threads a buffer becomes plain bytes. */
const withBuffers = <T extends object>(metadata: T): T =>
  Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value,
    ]),
  ) as T

/** sharp's buffers cannot be transferred (Node 22 refuses it, Node 20 copies in silence). A PNG's bytes are on one of their own. */
const owned = <T extends { bytes: Uint8Array }>(encoded: T) => ({
  ...encoded,
  bytes: isOnItsOwn(encoded.bytes) ? encoded.bytes : new Uint8Array(encoded.bytes),
})

const isOnItsOwn = (bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> =>
  !Buffer.isBuffer(bytes) && bytes.buffer instanceof ArrayBuffer

function moved(value: CutoutAnswer, buffers: ArrayBuffer[]) {
  return move({
    get [transferableSymbol]() {
      return buffers
    },
    get [valueSymbol]() {
      return value
    },
  })
}
