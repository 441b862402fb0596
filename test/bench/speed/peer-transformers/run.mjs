/**
 * The peer at its own pace, and lighter work than ours: a cut-out per image and nothing else. Prints a line for every
 * cut-out written. It is copied beside the installed peer, whose modules it then finds.
 *
 * @example node run.mjs '{ "models": "/tmp/m", "model": "light", "threads": 2, "atOnce": 1, "png": {}, "output": "/tmp/o", "images": ["/tmp/a.jpg"] }'
 */
import { basename, join } from 'node:path'
import { env, pipeline } from '@huggingface/transformers'

const { models, model, threads, atOnce, png, output, images } = JSON.parse(process.argv[2])
env.allowRemoteModels = false
env.localModelPath = models
const remove = await pipeline('background-removal', model, {
  device: 'cpu',
  dtype: 'fp32',
  session_options: { intraOpNumThreads: threads },
})
const waiting = images.values()

async function work() {
  for (const image of waiting) {
    const cutout = await remove(image)
    const file = join(output, `${basename(image)}.png`)
    await cutout.toSharp().png(png).toFile(file)
    console.log(JSON.stringify({ image, file }))
  }
}

await Promise.all(Array.from({ length: atOnce }, work))
