/**
 * The peer at its own pace: one picture after the other, as its documentation shows, or several at once. Prints a line
 * for every cut-out written. It is copied beside the installed peer, whose modules it then finds.
 *
 * @example node run.mjs '{ "model": "medium", "atOnce": 1, "output": "/tmp/o", "images": ["/tmp/a.jpg"] }'
 */
import { readFile, writeFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { removeBackground } from '@imgly/background-removal-node'

const { model, atOnce, output, images } = JSON.parse(process.argv[2])
const types = { '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.png': 'image/png', '.webp': 'image/webp' }

// By default it looks for its weights below the working directory.
const publicPath = new URL('node_modules/@imgly/background-removal-node/dist/', import.meta.url).href

const waiting = images.values()

async function work() {
  for (const image of waiting) {
    const picture = new Blob([await readFile(image)], { type: types[extname(image).toLowerCase()] })
    const cutout = await removeBackground(picture, { publicPath, model, output: { format: 'image/png' } })
    const file = join(output, `${basename(image)}.png`)
    await writeFile(file, Buffer.from(await cutout.arrayBuffer()))
    console.log(JSON.stringify({ image, file }))
  }
}

await Promise.all(Array.from({ length: atOnce }, work))
