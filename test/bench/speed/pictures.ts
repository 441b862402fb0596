/** Photographs in any number and size: always the same files. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { randomNumbers } from '../../support/random.ts'
import { benchFolder, save } from './place.ts'

export const sizes = {
  tiny: { width: 64, height: 64 },
  1: { width: 1152, height: 864 },
  12: { width: 4000, height: 3000 },
  24: { width: 6000, height: 4000 },
  200: { width: 16320, height: 12240 },
} as const
/** In megapixels. */
export type PictureSize = keyof typeof sizes

/** So many are really different; where more are wanted, all are copies that differ by a comment, which is content enough. */
const distinct = 24

/** Goes up with every change of what is written below, or the files of before are used. */
const version = 1

const shared = fileURLToPath(new URL('../../../../shared/photos/', import.meta.url))
const samples = fileURLToPath(new URL('../../../samples/photos/', import.meta.url))

/** Where photographs lie: real ones where they are at hand, else the rendered samples. */
export const photoFolder = (): string =>
  process.env.RMBG_BENCH_PHOTOS ?? (existsSync(shared) ? shared : samples)

/**
 * The photographs of a folder, by name; reference masks (`<name>.mask.png`) are none.
 *
 * @returns absolute paths
 * @throws Error where there is none
 */
export async function photosIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(
    (file) => /\.(jpe?g|png|webp)$/i.test(file) && !file.includes('.mask.'),
  )
  if (names.length === 0) throw new Error(`There are no photographs (JPEG, PNG, WebP) in ${folder}.`)
  return names.sort().map((file) => resolve(folder, file))
}

/** Mean of files, in thousands of thousands of pixels, to a tenth. */
export async function megapixelsOf(files: readonly string[]): Promise<number> {
  let pixels = 0
  for (const file of files) {
    const { width, height } = await sharp(file).metadata()
    pixels += width * height
  }
  return Math.round(pixels / files.length / 1e5) / 10
}

/** @returns absolute paths; more than 24 lie alone in their folder */
export async function pictures(size: PictureSize, count: number): Promise<string[]> {
  const photos = await photosIn(photoFolder())
  const from = photos[0]!.startsWith(samples) ? 'samples' : 'photos'
  const all = join(benchFolder, 'pictures', `v${version}-${from}`)
  const originals = await Promise.all(
    Array.from({ length: Math.min(count, distinct) }, async (_, index) => {
      const file = join(all, String(size), named(index))
      if (!existsSync(file)) await save(file, await photograph(photos[index % photos.length]!, index, size))
      return file
    }),
  )
  if (count <= distinct) return originals
  const files = Array.from({ length: count }, (_, index) => join(all, `${size}-${count}`, named(index)))
  for (const [index, file] of files.entries()) {
    if (existsSync(file)) continue
    await save(file, withComment(await readFile(originals[index % distinct]!), index))
  }
  return files
}

const named = (index: number): string => `${String(index).padStart(5, '0')}.jpg`

/** A part of a photograph, mirrored or not, at the size, with grain that enlarging took away. */
async function photograph(file: string, seed: number, size: PictureSize): Promise<Buffer> {
  const next = randomNumbers(seed + 1)
  const { width, height } = sizes[size]
  const photo = sharp(await readFile(file))
    .autoOrient()
    .flatten({ background: '#fff' })
  const { info } = await photo.clone().raw().toBuffer({ resolveWithObject: true })
  const share = 0.8 + next() * 0.15
  const part = { width: Math.floor(info.width * share), height: Math.floor(info.height * share) }
  const left = Math.floor(next() * (info.width - part.width))
  const top = Math.floor(next() * (info.height - part.height))
  const mirrored = photo.extract({ left, top, ...part }).flop(seed % 2 === 1)
  const enlarged = mirrored.resize(width, height, { fit: 'cover' })
  const side = Math.min(width, height, 512)
  const noise = { input: grain(next, side), raw: { width: side, height: side, channels: 3 } } as const
  return enlarged
    .composite([{ ...noise, tile: true, blend: 'overlay' }])
    .jpeg({ quality: 90 })
    .toBuffer()
}

/** Grey with noise, to be laid over a picture again and again. */
const grain = (next: () => number, side: number): Buffer =>
  Buffer.from(Array.from({ length: side ** 2 * 3 }, () => 128 + (next() + next() + next() - 1.5) * 16))

/** The same JPEG with a comment (a COM segment) behind its first marker. */
function withComment(jpeg: Buffer, index: number): Buffer {
  const text = Buffer.from(String(index).padStart(8, '0'))
  const head = Buffer.from([0xff, 0xfe, 0, text.length + 2])
  return Buffer.concat([jpeg.subarray(0, 2), head, text, jpeg.subarray(2)])
}
