/** jxl-oxide in WebAssembly, which decodes JPEG XL. */
// biome-ignore lint/style/noRestrictedImports: it reads the decoder's own code, and no picture
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { initSync, JxlImage } from 'jxl-oxide-wasm'

export interface JxlTask {
  file: Uint8Array
  wanted: 'picture' | 'frames'
  /** Into its profile a lossy picture is converted by way of a smaller space. So it becomes sRGB right away, of 8 bits. */
  isProfileLost?: boolean
}

export type JxlAnswer = { png: Uint8Array } | { frames: number }

/** @throws Error, or a text, for a file that is damaged */
export async function askOxide({ file, wanted, isProfileLost = false }: JxlTask): Promise<JxlAnswer> {
  await start()
  const image = imageOf(file)
  // What is cut off would be drawn as far as it goes.
  if (!image.loaded) throw new Error('it ends too early')
  if (wanted === 'frames') return { frames: image.numLoadedKeyframes }
  const drawn = image.render(0)
  if (!isProfileLost || drawn.iccProfile.length === 0) return { png: drawn.encodeToPng() }
  drawn.free()
  image.free()
  return { png: imageOf(file, { forceSrgb: true }).render(0).encodeToPng() }
}

async function start(): Promise<void> {
  const folder = dirname(createRequire(import.meta.url).resolve('jxl-oxide-wasm/package.json'))
  initSync({ module: await readFile(join(folder, 'jxl_oxide_wasm_bg.wasm')) })
}

function imageOf(file: Uint8Array, { forceSrgb = false } = {}): JxlImage {
  const image = new JxlImage()
  image.forceSrgb = forceSrgb // before the bytes, or it has no effect
  image.feedBytes(file)
  image.tryInit()
  return image
}
