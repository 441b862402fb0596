/**
 * What the three things that must be done for an image cost in CPU time, with plain calls of the libraries: decoding it,
 * inference, and encoding mask and cut-out as PNG, by sharp at level 3 whatever the program writes them with. Everything
 * else (bringing pixels to the model's size and the matte to the picture's, hashing, storing, the row) is left out. Prints
 * the sums of each, in milliseconds per image.
 */
import { readFile } from 'node:fs/promises'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import sharp from 'sharp'
import { normalisation } from './models.ts'
import { sharpPng } from './sharp-png.ts'

sharp.concurrency(1)
sharp.cache(false)

const [file, size, threads, ...images] = process.argv.slice(2) as [string, string, string, ...string[]]
const side = Number(size)
const session = await InferenceSession.create(file, {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(threads),
  // Threads that wait by spinning use CPU time for nothing.
  extra: { session: { intra_op: { allow_spinning: '0' } } },
})
const spent = { decode: 0, inference: 0, encode: 0 }
let counting = false

async function cost<T>(what: keyof typeof spent, work: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  if (counting) spent[what] += (user + system) / 1000
  return result
}

async function once(path: string): Promise<void> {
  const bytes = await readFile(path)
  const { data, info } = await cost('decode', () => sharp(bytes).raw().toBuffer({ resolveWithObject: true }))
  const { width, height } = info
  const raw = { width, height, channels: 3 } as const
  const small = await sharp(data, { raw })
    .resize(side, side, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer()
  const values = new Float32Array(3 * side * side)
  for (let at = 0; at < values.length; at++) {
    const channel = Math.floor(at / (side * side))
    values[at] =
      (small[(at % (side * side)) * 3 + channel]! / 255 - normalisation.mean[channel]!) /
      normalisation.std[channel]!
  }
  const image = new Tensor('float32', values, [1, 3, side, side])
  const { mask } = await cost('inference', () => session.run({ image }))
  const matte = Uint8Array.from(mask!.data as Float32Array, (value) => Math.round(value * 255))
  const alpha = await sharp(matte, { raw: { width: side, height: side, channels: 1 } })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .toColourspace('b-w')
    .raw()
    .toBuffer()
  const rgba = new Uint8Array(width * height * 4)
  for (let at = 0; at < alpha.length; at++) {
    if (alpha[at] === 0) continue
    for (let c = 0; c < 3; c++) rgba[at * 4 + c] = data[at * 3 + c]!
    rgba[at * 4 + 3] = alpha[at]!
  }
  await cost('encode', async () => {
    const grey = sharp(alpha, { raw: { width, height, channels: 1 } })
    await grey.toColourspace('b-w').png(sharpPng).toBuffer()
    await sharp(rgba, { raw: { width, height, channels: 4 } })
      .png(sharpPng)
      .toBuffer()
  })
}

await once(images[0]!)
counting = true
for (const path of images) await once(path)
await session.release()
const each = Object.entries(spent).map(([what, ms]) => [what, ms / images.length])
console.log(JSON.stringify(Object.fromEntries(each)))
