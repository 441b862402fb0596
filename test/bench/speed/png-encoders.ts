/**
 * What PNG encoders take for the same pixels, in CPU time of one thread, and how many bytes they make of them. Prints a
 * row of JSON for each encoder: its rounds, and bytes, an image.
 *
 *   node png-encoders.ts '{ "cutouts": [{ "cutout": "/tmp/c.png", "mask": "/tmp/m.png" }], "rounds": 3, "napi": "/tmp/image.js" }'
 */
import { createRequire } from 'node:module'
import sharp from 'sharp'
import { encodeCutout, encodeMask } from '../../../src/cutout/codec/encode.ts'
import type { EncodeOptions } from '../../../src/cutout/options.ts'
import type { CutoutPixels } from '../../../src/cutout/pixels/composite.ts'

sharp.concurrency(1)
sharp.cache(false)

export interface EncodersTask {
  /** Finished files of the program, whose pixels are encoded again. */
  cutouts: { cutout: string; mask: string }[]
  rounds: number
  /** Path of the module of @napi-rs/image. */
  napi: string
}

export interface EncoderTimes {
  name: string
  /** Of one image. */
  cutoutBytes: number
  /** A round each, of one image. */
  cutoutMs: number[]
  /** Absent where an encoder cannot write grey. */
  maskBytes?: number
  maskMs?: number[]
}

interface Encoder {
  name: string
  cutout: (pixels: CutoutPixels) => Promise<Uint8Array>
  mask?: (pixels: CutoutPixels) => Promise<Uint8Array>
}

const task = JSON.parse(process.argv[2]!) as EncodersTask

/** What a cut-out gets by default. */
const asItComes: EncodeOptions = {
  ...{ format: 'png', trim: false, padding: { pixels: 0 }, fit: 'contain', keepMetadata: false },
}

const withSharp = (compressionLevel: number, adaptiveFiltering: boolean): Encoder => ({
  name: `sharp ${compressionLevel}${adaptiveFiltering ? ', adaptive filter' : ''}`,
  cutout: ({ rgba, width, height }) =>
    sharp(rgba as Uint8Array, { raw: { width, height, channels: 4 } })
      .png({ compressionLevel, adaptiveFiltering })
      .toBuffer(),
  mask: ({ mask, width, height }) =>
    sharp(mask, { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png({ compressionLevel, adaptiveFiltering })
      .toBuffer(),
})

function withNapi(): Encoder {
  const { Transformer, CompressionType, FilterType } = createRequire(import.meta.url)(task.napi)
  const options = { compressionType: CompressionType.Fast, filterType: FilterType.Adaptive }
  return {
    name: '@napi-rs/image, fast, adaptive filter',
    cutout: ({ rgba, width, height }) => Transformer.fromRgbaPixels(rgba, width, height).png(options),
  }
}

const ours: Encoder = {
  name: 'ours',
  cutout: async (pixels) => (await encodeCutout(pixels, { metadata: {} }, asItComes)).bytes,
  mask: async (pixels) => (await encodeMask(pixels)).bytes,
}

async function pixelsOf(file: { cutout: string; mask: string }): Promise<CutoutPixels> {
  const limit = { limitInputPixels: false }
  const { data, info } = await sharp(file.cutout, limit)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const mask = await sharp(file.mask, limit).extractChannel(0).raw().toBuffer()
  const review = { subjectArea: 0.3, softShare: 0, touches: [], islands: 1, holes: 0, haloScore: null }
  return {
    ...{ rgba: Uint8Array.from(data), mask: Uint8Array.from(mask), width: info.width, height: info.height },
    ...{ subject: undefined, review: { ...review, expectedIou: null, reasons: [] } },
  }
}

/** Bytes and CPU milliseconds, both of one image. */
async function cost(pictures: readonly CutoutPixels[], encode: Encoder['cutout']) {
  let [bytes, ms] = [0, 0]
  for (const pixels of pictures) {
    const before = process.cpuUsage()
    bytes += (await encode(pixels)).byteLength / pictures.length
    const { user, system } = process.cpuUsage(before)
    ms += (user + system) / 1000 / pictures.length
  }
  return { bytes, ms }
}

const pictures = await Promise.all(task.cutouts.map(pixelsOf))
const encoders = [
  ours,
  withNapi(),
  ...[1, 2, 3, 6].flatMap((level) => [withSharp(level, false), withSharp(level, true)]),
]
const rows: EncoderTimes[] = encoders.map(({ name, mask }) => ({
  ...{ name, cutoutBytes: 0, cutoutMs: [] },
  ...(mask && { maskBytes: 0, maskMs: [] }),
}))
for (let round = 0; round <= task.rounds; round++) {
  for (const [index, { cutout, mask }] of encoders.entries()) {
    const row = rows[index]!
    // The first round warms up, with one picture.
    const some = round === 0 ? pictures.slice(0, 1) : pictures
    const [ofCutout, ofMask] = [await cost(some, cutout), mask && (await cost(some, mask))]
    if (round === 0) continue
    row.cutoutBytes = ofCutout.bytes
    row.cutoutMs.push(ofCutout.ms)
    if (!ofMask) continue
    row.maskBytes = ofMask.bytes
    row.maskMs?.push(ofMask.ms)
  }
}
console.log(JSON.stringify(rows))
