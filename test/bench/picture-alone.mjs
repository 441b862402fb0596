/**
 * What one picture takes without the program around it, by plain calls of sharp and ONNX Runtime: decode, shrink, ask the
 * built-in model, encode mask and cut-out.
 *
 *   node test/bench/picture-alone.mjs PICTURE MODEL.onnx
 */
import { availableParallelism } from 'node:os'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import sharp from 'sharp'

const [, , picture, model] = process.argv
const side = 384
const session = await InferenceSession.create(model, {
  executionProviders: ['cpu'],
  intraOpNumThreads: availableParallelism(),
  enableMemPattern: false,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
})
const { data, info } = await sharp(picture).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
const small = await sharp(data, { raw: info })
  .removeAlpha()
  .resize(side, side, { fit: 'fill' })
  .raw()
  .toBuffer()
const values = new Float32Array(3 * side * side)
for (let at = 0; at < side * side; at++) {
  for (let channel = 0; channel < 3; channel++)
    values[channel * side * side + at] = small[at * 3 + channel] / 255
}
const feeds = { [session.inputNames[0]]: new Tensor('float32', values, [1, 3, side, side]) }
const matte = (await session.run(feeds))[session.outputNames[0]].data
const mask = await sharp(
  Uint8Array.from(matte, (share) => share * 255),
  { raw: { width: side, height: side, channels: 1 } },
)
  .resize(info.width, info.height, { fit: 'fill' })
  .extractChannel(0)
  .raw()
  .toBuffer()
for (let at = 0; at < mask.length; at++) data[at * 4 + 3] = mask[at]
await sharp(mask, { raw: { ...info, channels: 1 } })
  .png({ compressionLevel: 3 })
  .toBuffer()
await sharp(data, { raw: info }).png({ compressionLevel: 3 }).toBuffer()
