/**
 * What RMBG-2.0's model card asks for, against a computation of our own that shares no code with the program: stretch to
 * 1024 x 1024 as PIL's BILINEAR does (a triangle filter that widens when it shrinks), / 255, ImageNet's mean and standard
 * deviation; the matte as it is, clamped, brought back to the picture's size.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decode } from '../../src/cutout/codec/decode.ts'
import { toModelInput } from '../../src/cutout/codec/model-input.ts'
import { composite } from '../../src/cutout/pixels/composite.ts'
import type { MatteModel } from '../../src/model/contract.ts'
import { openModel } from '../../src/model/session.ts'
import { picture } from '../support/images.ts'
import { isLong } from '../support/long-mode.ts'
import { model, plainSpec } from './graphs.ts'

const side = 1024
const mean = [0.485, 0.456, 0.406]
const std = [0.229, 0.224, 0.225]
/** Levels of 255: rounding to 8 bits on the way in, or out, and what single precision costs. */
const exact = { worst: 0.51, mean: 0.51 }
/** What libvips reduces; the worst is that of pure noise. */
const reduced = { worst: 16, mean: 0.5 }

interface Plane {
  width: number
  height: number
  values: Float64Array
}

/** One direction of PIL's resampling (Pillow, `Resample.c`), in double precision. */
function resampleRows({ width, height, values }: Plane, target: number): Plane {
  const scale = width / target
  const support = Math.max(scale, 1)
  const kernels = Array.from({ length: target }, (_, x) => {
    const centre = (x + 0.5) * scale
    const from = Math.max(Math.trunc(centre - support + 0.5), 0)
    const to = Math.min(Math.trunc(centre + support + 0.5), width)
    const weights = Float64Array.from({ length: to - from }, (_, i) =>
      Math.max(0, 1 - Math.abs((i + from - centre + 0.5) / support)),
    )
    return { from, weights, total: weights.reduce((sum, weight) => sum + weight, 0) }
  })
  const result = new Float64Array(target * height)
  // Row by row: a picture of 18 megapixels, read down its columns, takes ten times as long.
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < target; x++) {
      const { from, weights, total } = kernels[x]!
      const start = y * width + from
      let sum = 0
      for (let i = 0; i < weights.length; i++) sum += values[start + i]! * weights[i]!
      result[y * target + x] = sum / total
    }
  }
  return { width: target, height, values: result }
}

function transposed({ width, height, values }: Plane): Plane {
  const result = new Float64Array(values.length)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) result[x * height + y] = values[y * width + x]!
  return { width: height, height: width, values: result }
}

const resized = (plane: Plane, width: number, height: number): Plane =>
  transposed(resampleRows(transposed(resampleRows(plane, width)), height))

/** Red, green and blue, each 0..255. */
async function channels(file: Buffer): Promise<Plane[]> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return [0, 1, 2].map((index) => {
    const values = new Float64Array(info.width * info.height)
    for (let at = 0; at < values.length; at++) values[at] = data[at * info.channels + index]!
    return { width: info.width, height: info.height, values }
  })
}

function compare(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: typeof exact): void {
  expect(actual.length).toBe(expected.length)
  let worst = 0
  let sum = 0
  for (let at = 0; at < expected.length; at++) {
    const difference = Math.abs(actual[at]! - expected[at]!)
    worst = Math.max(worst, difference)
    sum += difference
  }
  expect(worst).toBeLessThanOrEqual(tolerance.worst)
  expect(sum / expected.length).toBeLessThanOrEqual(tolerance.mean)
}

const flat = (width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer()
const noisy = (width: number, height: number) =>
  sharp({
    create: {
      width,
      height,
      channels: 3,
      background: '#000',
      noise: { type: 'gaussian', mean: 120, sigma: 50 },
    },
  })
    .png()
    .toBuffer()
const lemur = new URL('../../../shared/photos/animal-lemur.png', import.meta.url)

const pictures: Record<string, () => Promise<Buffer>> = {
  'a drawing that is enlarged': () => picture(3, 600, 450).png().toBuffer(),
  'a picture that is shrunk 2.3 times': () => picture(8, 2400, 1500).png().toBuffer(),
  // In long mode both ways, which takes most of the time of this file.
  'a picture that is shrunk 4 times': () =>
    picture(8, 4400, isLong ? 4100 : 1100)
      .png()
      .toBuffer(),
  'a dark one': () => picture(5, 900, 700).linear(0.1, 2).png().toBuffer(),
  'a blank one': () => flat(700, 300, '#fff'),
  'noise, twice as large as the input': () => noisy(2048, 2048),
  '1x1': () => flat(1, 1, '#8040c0'),
  '1x5000': () =>
    sharp(Buffer.from(Array.from({ length: 15000 }, (_, i) => (i * 7) % 256)), {
      raw: { width: 1, height: 5000, channels: 3 },
    })
      .blur(3)
      .png()
      .toBuffer(),
  ...(existsSync(lemur) && { 'a photograph': () => readFile(lemur) }),
}

describe('RMBG-2.0', () => {
  /** Gives back one channel of what it is given, its normalisation undone: what arrived at the model, 0..1. */
  const seeing: MatteModel[] = []
  beforeAll(async () => {
    for (const index of [0, 1, 2]) {
      const shape = [1, 1, side, side]
      const file = await model({ input: [1, 3, side, side], output: shape }, (graph, image) => {
        const one = graph.op('Slice', [
          image,
          graph.integers([index]),
          graph.integers([index + 1]),
          graph.integers([1]),
        ])
        return graph.op('Add', [
          graph.op('Mul', [one, graph.constant(std[index]!)]),
          graph.constant(mean[index]!),
        ])
      })
      const normalisation = { mean, std } as unknown as MatteModel['spec']['normalisation']
      seeing.push(await openModel(plainSpec(file, { normalisation }), { threads: 2 }))
    }
  })
  afterAll(async () => {
    for (const one of seeing) await one.close()
  })

  describe.each(Object.entries(pictures))('%s', (_, make) => {
    let image: Awaited<ReturnType<typeof decode>>
    let expected: Plane[]
    /** What each model gave, for one channel of the picture each. */
    let mattes: Awaited<ReturnType<MatteModel['predict']>>[]
    beforeAll(async () => {
      const file = await make()
      image = await decode(file)
      expected = (await channels(file)).map((plane) => resized(plane, side, side))
      mattes = []
      for (const one of seeing) mattes.push(await one.predict(await toModelInput(image, one.inputSize)))
    })

    it('is shown to the model as its authors would show it', () => {
      for (const [index, { alpha }] of mattes.entries()) {
        compare(
          alpha.map((value) => value * 255),
          expected[index]!.values,
          image.width > side && image.height > side ? reduced : exact,
        )
      }
    })

    it('gets a mask that is not stretched', () => {
      const matte = mattes[0]!
      const values = Float64Array.from(matte.alpha, (value) => value * 255)
      const { mask } = composite({
        picture: image,
        matte: { ...matte, values: matte.alpha },
        guided: false,
        refine: true,
        keepHiddenColor: false,
      })
      compare(mask, resized({ width: side, height: side, values }, image.width, image.height).values, exact)
    })
  })
})
