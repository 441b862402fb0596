/** What pixel threads do: `cutOut`, with a conversation about the matte in the middle of it. */
import { once } from 'node:events'
import type { MessagePort } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { type PlainError, RmbgError, toPlainError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import type { Matte } from '../model/contract.ts'
import { type DecodedImage, decodeMask } from './codec/decode.ts'
import { toModelInput } from './codec/model-input.ts'
import { type CutoutSettings, cutOut, type FinishedCutout, type SubjectMatte } from './cutout.ts'

export interface PixelTask {
  file: Uint8Array
  settings: CutoutSettings
  /** A mask's file; or the model's way of looking, and the port that answers its input with a matte. */
  subject:
    | { mask: Uint8Array }
    | { inputSize: { width: number; height: number }; guided: boolean; port: MessagePort }
}

/** Said at the port: what a model is to look at, and what it saw (nothing when it failed). */
export type ModelInput = Uint8Array<ArrayBuffer>
export type ModelAnswer = Matte | undefined

export type PixelAnswer = FinishedCutout | { refused: PlainError }

export default async function cutOutTask({ file, settings, subject }: PixelTask) {
  const matteOf = async (picture: DecodedImage): Promise<SubjectMatte> => {
    await failPoint('process:decoded')
    if ('mask' in subject) return { matte: await decodeMask(subject.mask, picture), guided: false }
    const input: ModelInput = await toModelInput(picture, subject.inputSize)
    const answering = once(subject.port, 'message')
    subject.port.postMessage(input, [input.buffer])
    const [matte] = (await answering) as [ModelAnswer]
    if (!matte) throw new Error('There is no matte')
    await failPoint('process:matte')
    return { matte: { ...matte, values: matte.alpha }, guided: subject.guided }
  }
  try {
    const finished = await cutOut(file, settings, matteOf)
    await failPoint('process:encoded')
    const [mask, processed] = [owned(finished.mask), owned(finished.processed)]
    return moved({ ...finished, mask, processed }, [mask.bytes.buffer, processed.bytes.buffer])
  } catch (error) {
    // Errors lose their class between threads.
    if (error instanceof RmbgError) return { refused: toPlainError(error) }
    throw error
  } finally {
    if ('port' in subject) subject.port.close()
  }
}

/** sharp's buffers cannot be transferred (Node 22 refuses it, Node 20 copies in silence). */
const owned = <T extends { bytes: Uint8Array }>(encoded: T) => ({
  ...encoded,
  bytes: new Uint8Array(encoded.bytes),
})

function moved(value: PixelAnswer, buffers: ArrayBuffer[]) {
  return move({
    get [transferableSymbol]() {
      return buffers
    },
    get [valueSymbol]() {
      return value
    },
  })
}
