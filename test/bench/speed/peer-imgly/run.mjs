/**
 * The peer at its own pace: one picture after the other, as its documentation shows. Prints a line for every cut-out
 * written. It is copied beside the installed peer, whose modules it then finds.
 *
 * @example node run.mjs '{ "model": "medium", "output": "/tmp/o", "images": ["/tmp/a.jpg"] }'
 */
import { readFile, writeFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { removeBackground } from '@imgly/background-removal-node'

const { model, output, images } = JSON.parse(process.argv[2])
const types = { '.jpg': 'image/jpeg', '.png': 'image/png', '.webp': 'image/webp' }

for (const image of images) {
  const picture = new Blob([await readFile(image)], { type: types[extname(image)] })
  const cutout = await removeBackground(picture, { model, output: { format: 'image/png' } })
  const file = join(output, `${basename(image)}.png`)
  await writeFile(file, Buffer.from(await cutout.arrayBuffer()))
  console.log(JSON.stringify({ image, file }))
}
