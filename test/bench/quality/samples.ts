/** Pictures with reference masks. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { type DecodedImage, decode } from '../../../src/cutout/codec/decode.ts'
import { randomShot, render, studio } from '../../model/studio.ts'

export interface Sample {
  name: string
  image: () => Promise<DecodedImage>
  /** 0..255 at the picture's size. */
  reference: () => Promise<Uint8Array>
}

export const sharedPhotos = fileURLToPath(new URL('../../../../shared/photos/', import.meta.url))

/** The photographs of a folder that have `<name>.mask.png` beside them; none where there is no folder. */
export async function photographs(folder: string): Promise<Sample[]> {
  if (!existsSync(folder)) return []
  const names = await readdir(folder)
  const files = names.filter((file) => /\.(jpg|png|webp)$/.test(file) && names.includes(maskOf(file)))
  return files.sort().map((file) => ({
    name: file.replace(/\.\w+$/, ''),
    image: async () => decode(await readFile(join(folder, file))),
    reference: () =>
      sharp(join(folder, maskOf(file)))
        .extractChannel(0)
        .raw()
        .toBuffer(),
  }))
}

const maskOf = (file: string): string => file.replace(/\.\w+$/, '.mask.png')

const shotSize = 768
const randomShots = Array.from(
  { length: 40 },
  (_, seed) => [`random shot ${seed}`, randomShot(seed)] as const,
)
/** Rendered here, with exact alpha; no model of ours was trained on them. */
export const shots: Sample[] = [...Object.entries(studio), ...randomShots].map(([name, shot]) => {
  const rendered = () => render(shot, shotSize)
  return {
    name,
    image: async () => ({
      data: (await rendered()).rgb,
      width: shotSize,
      height: shotSize,
      channels: 3,
      metadata: {},
    }),
    reference: async () => Uint8Array.from((await rendered()).alpha, (value) => Math.round(value * 255)),
  }
})
