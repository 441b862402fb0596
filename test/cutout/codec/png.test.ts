/** PNG files: two other decoders must read from them what was written. */
import { crc32, inflateSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { encodeCutout, encodeMask } from '../../../src/cutout/codec/encode.ts'
import { pngFile } from '../../../src/cutout/codec/png.ts'
import { isWrittenAsItIs } from '../../../src/cutout/options.ts'
import type { Picture, Samples } from '../../../src/cutout/picture.ts'
import { composite, compositeRows } from '../../../src/cutout/pixels/composite.ts'
import { type PngImage, pngRows } from '../../../src/cutout/pixels/png.ts'
import { randomNumbers } from '../../support/random.ts'
import { scene } from '../pixels/scenes.ts'

/** Samples by row, column and channel. */
type Paint = (x: number, y: number, c: number) => number

function samplesOf({ width, height, channels, depth }: PngImage, paint: Paint): Samples {
  const samples = new (depth === 16 ? Uint16Array : Uint8Array)(width * height * channels)
  for (let at = 0; at < samples.length; at++) {
    const pixel = Math.floor(at / channels)
    samples[at] = paint(pixel % width, Math.floor(pixel / width), at % channels)
  }
  return samples
}

/** By libvips, without any change of color. */
async function readByLibvips(file: Uint8Array, { depth, channels }: PngImage): Promise<Samples> {
  const space = { 1: ['b-w', 'grey16'], 3: ['srgb', 'rgb16'], 4: ['srgb', 'rgb16'] } as const
  const { data } = await sharp(file, { failOn: 'warning' })
    .toColourspace(space[channels][depth === 16 ? 1 : 0])
    .raw({ depth: depth === 16 ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true })
  const bytes = new Uint8Array(data)
  return depth === 16 ? new Uint16Array(bytes.buffer) : bytes
}

/** By the letter: checksums of chunks and of the stream are checked, and the filters undone. */
function readByTheLetter(file: Uint8Array, { width, height, channels, depth }: PngImage): Samples {
  const bytes = Buffer.from(file)
  const pieces: Buffer[] = []
  for (let at = 8; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at)
    expect(bytes.readUInt32BE(end)).toBe(crc32(bytes.subarray(at + 4, end)))
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') pieces.push(bytes.subarray(at + 8, end))
    at = end + 4
  }
  const rows = inflateSync(Buffer.concat(pieces))
  const pixel = (channels * depth) / 8
  const rowBytes = width * pixel
  expect(rows.length).toBe((rowBytes + 1) * height)
  const result = Buffer.alloc(rowBytes * height)
  for (let y = 0, from = 0; y < height; y++) {
    const filter = rows[from++]
    for (let x = 0, at = y * rowBytes; x < rowBytes; x++, at++) {
      const left = x < pixel ? 0 : result[at - pixel]!
      const up = y === 0 ? 0 : result[at - rowBytes]!
      const corner = x < pixel || y === 0 ? 0 : result[at - rowBytes - pixel]!
      const guess = left + up - corner
      const [toLeft, toUp, toCorner] = [left, up, corner].map((value) => Math.abs(guess - value))
      const nearest = toLeft! <= toUp! && toLeft! <= toCorner! ? left : toUp! <= toCorner! ? up : corner
      result[at] = rows[from++]! + (filter === 4 ? nearest : 0)
    }
  }
  if (depth === 8) return new Uint8Array(result)
  return Uint16Array.from({ length: result.length / 2 }, (_, i) => result.readUInt16BE(i * 2))
}

async function expectSame(image: PngImage, samples: Samples, what: string): Promise<Uint8Array> {
  const file = pngFile(image, pngRows(samples, image))
  expectEqual(readByTheLetter(file, image), samples, what)
  expectEqual(await readByLibvips(file, image), samples, what)
  return file
}

/** Vitest takes seconds to compare pixels one by one. */
function expectEqual(a: Samples | Uint8Array, b: Samples | Uint8Array, what?: string): void {
  expect(Buffer.compare(bytesOf(a), bytesOf(b)), what).toBe(0)
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Samples | Uint8Array) =>
  Buffer.from(buffer, byteOffset, byteLength)

const next = randomNumbers(7)
const paints: Record<string, Paint> = {
  nothing: () => 0,
  'a plain color': () => 201,
  noise: () => next() * 65536,
  'rare points on nothing': () => (next() < 0.002 ? next() * 65536 : 0),
  'soft shading': (x, y, c) => (c === 3 ? 65535 : x * 3 + y * 2 + c * 40 + next() * 6),
  'a subject between clear rows': (x, y) => (y > 30 && y < 60 && x > 20 ? x * y : 0),
  'stripes of every length': (x, y) => (x % (y + 2) === 0 ? 255 : 0),
}
const kinds = [1, 3, 4].flatMap((channels) =>
  [8, 16].map((depth) => ({ channels, depth }) as Pick<PngImage, 'channels' | 'depth'>),
)

describe('a PNG', () => {
  it.each(kinds)('of $channels channels with $depth bits keeps every sample', async (kind) => {
    for (const [name, paint] of Object.entries(paints)) {
      const image = { width: 331, height: 93, ...kind }
      await expectSame(image, samplesOf(image, paint), name)
    }
  })

  it.each([
    [1, 1],
    [1, 700],
    [5000, 1],
    [15, 3],
    [16, 3],
    [17, 3],
    // Rows and runs that are longer than a block.
    [20_000, 5],
  ])('of %ix%i pixels does so too', async (width, height) => {
    const image = { width, height, channels: 4, depth: 8 } as const
    for (const [name, paint] of Object.entries(paints)) {
      await expectSame(image, samplesOf(image, paint), name)
    }
  })

  it('keeps runs of zeros of every length, and those that a code cannot name', async () => {
    const lengths = [...Array(300).keys(), 515, 516, 517, 518, 519, 774, 775, 776, 777, 70_000]
    const bytes = lengths.flatMap((length) => [...Array<number>(length).fill(0), 17])
    const image = { width: bytes.length, height: 1, channels: 1, depth: 8 } as const
    // What is left by the filter are the differences.
    let sum = 0
    const samples = Uint8Array.from(bytes, (byte) => (sum += byte))
    await expectSame(image, samples, 'runs')
  })

  it('of a photograph is smaller than one without filters, and of nothing next to nothing', async () => {
    const { observed, width, height } = scene('hair, textured, on a busy backdrop', 640, 480)
    const image = { width, height, channels: 3, depth: 8 } as const
    const file = await expectSame(image, new Uint8Array(observed), 'a photograph')
    const raw = sharp(observed, { raw: { width, height, channels: 3 } })
    const plain = await raw.png({ compressionLevel: 3, adaptiveFiltering: false }).toBuffer()
    expect(file.byteLength).toBeLessThan(plain.byteLength)
    const large = { width: 4000, height: 3000, channels: 4, depth: 8 } as const
    const clear = pngFile(large, pngRows(new Uint8Array(4000 * 3000 * 4), large))
    expect(clear.byteLength).toBeLessThan(60_000)
  })
})

describe('a cut-out that is written as it is made', () => {
  const made = scene('hair, fair, on blue', 300, 211)
  const pixels = made.width * made.height
  const matte = { values: Float32Array.from(made.alpha, (value) => value / 255), width: 300, height: 211 }

  it.each([
    [3, 8],
    [4, 8],
    [3, 16],
    [4, 16],
  ] as const)('has the same files, from %i channels with %i bits', async (channels, depth) => {
    const data = new (depth === 16 ? Uint16Array : Uint8Array)(pixels * channels)
    for (let at = 0; at < pixels; at++) {
      for (let c = 0; c < 3; c++)
        data[at * channels + c] = made.observed[at * 3 + c]! * (depth === 16 ? 257 : 1)
      if (channels === 4) data[at * 4 + 3] = (at % 300) * (depth === 16 ? 200 : 0.8)
    }
    const picture: Picture = { data, width: made.width, height: made.height, channels }
    for (const keepHiddenColor of [false, true]) {
      const task = { picture, matte, guided: channels === 3, refine: true, keepHiddenColor }
      const [planes, rows] = [composite(task), compositeRows(task)]
      expect(rows.review).toEqual(planes.review)
      expect(rows.subject).toEqual(planes.subject)
      const options = { ...plain, keepHiddenColor }
      const source = { metadata: {} }
      expectEqual((await encodeMask(rows)).bytes, (await encodeMask(planes)).bytes)
      const written = await encodeCutout(rows, source, options)
      expect(written).toMatchObject({ width: 300, height: 211, scale: 1, contentType: 'image/png' })
      const image = { ...written, channels: 4, depth } as const
      expectEqual(readByTheLetter(written.bytes, image), planes.rgba)
      const later = (await encodeCutout(planes, source, options)).bytes
      expectEqual(await readByLibvips(later, image), planes.rgba)
    }
  })

  it('is neither moved nor put onto anything', () => {
    const picture = { width: 300, height: 200 }
    expect(isWrittenAsItIs(picture, plain)).toBe(true)
    expect(isWrittenAsItIs(picture, { ...plain, size: picture })).toBe(true)
    for (const other of [
      { trim: true },
      { format: 'webp' },
      { padding: { pixels: 1 } },
      { padding: { share: 0.1 } },
      { size: { width: 299 } },
      { background: { color: [1, 2, 3] } },
      { shadow: { x: 0, y: 0.1, blur: 0.1, strength: 0.5 } },
    ] as const) {
      expect(isWrittenAsItIs(picture, { ...plain, ...(other as object) }), JSON.stringify(other)).toBe(false)
    }
  })
})

const plain = {
  format: 'png',
  trim: false,
  padding: { pixels: 0 },
  fit: 'contain',
  keepMetadata: false,
} as const
