// The backdrop's matte of every rendered scene, as the network will meet it: node training/mattes.mjs FOLDER BACKDROP.onnx
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { InferenceSession, Tensor } from 'onnxruntime-node'

process.env.ORT_DISABLE_TELEMETRY ||= '1' // as in src/model/session.ts
const [folder, model, last = '0'] = process.argv.slice(2)
const session = await InferenceSession.create(model, { intraOpNumThreads: 1 })
const [, , size] = session.inputMetadata[0].shape

/** NumPy's format, version 1: the header's length is at byte 8, the data follow it. */
const body = (file) => {
  const bytes = readFileSync(file)
  return {
    header: bytes.subarray(0, 10 + bytes.readUInt16LE(8)),
    data: bytes.subarray(10 + bytes.readUInt16LE(8)),
  }
}

/** Pixels are written last, three times as many as alphas. */
const isWhole = (shard) => {
  const size = (kind) => statSync(`${folder}/${shard}-${kind}.npy`).size - 128
  return size('rgb') === 3 * size('alpha')
}

const done = new Set()
while (done.size < Number(last)) {
  const shard = readdirSync(folder)
    .filter((name) => name.endsWith('-rgb.npy'))
    .map((name) => name.slice(0, 3))
    .find((name) => !done.has(name) && isWhole(name))
  if (!shard) {
    await sleep(2000)
    continue
  }
  done.add(shard)
  const file = `${folder}/${shard}-matte.npy`
  if (existsSync(file)) continue
  const { data } = body(`${folder}/${shard}-rgb.npy`)
  const { header } = body(`${folder}/${shard}-alpha.npy`)
  const pixels = size * size
  const mattes = Buffer.alloc(data.length / 3)
  const input = new Float32Array(pixels * 3)
  for (let image = 0; image < data.length / pixels / 3; image++) {
    const from = image * pixels * 3
    for (let i = 0; i < pixels; i++)
      for (let c = 0; c < 3; c++) input[c * pixels + i] = data[from + i * 3 + c] / 255
    const { alpha } = await session.run({ image: new Tensor('float32', input, [1, 3, size, size]) })
    for (let i = 0; i < pixels; i++) mattes[image * pixels + i] = Math.round(alpha.data[i] * 255)
  }
  writeFileSync(file, Buffer.concat([header, mattes]))
  console.log(shard)
}
