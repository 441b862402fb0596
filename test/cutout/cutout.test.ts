import sharp from 'sharp'
import { afterAll, describe, expect, it } from 'vitest'
import { encodeCutout, encodeMask } from '../../src/cutout/codec/encode.ts'
import { readHeader } from '../../src/cutout/codec/header.ts'
import { cutOut } from '../../src/cutout/cutout.ts'
import type { CutoutRecipe } from '../../src/cutout/options.ts'
import { type CompositeTask, composite } from '../../src/cutout/pixels/composite.ts'
import type { MattePlane } from '../../src/cutout/pixels/matte.ts'
import { closePixelThreads, cutOutInThread } from '../../src/cutout/pool.ts'
import { RmbgError } from '../../src/errors.ts'
import type { MatteModel } from '../../src/model/contract.ts'
import { picture } from '../support/images.ts'

afterAll(closePixelThreads)

/** Numbers that look random and are the same every time. */
function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let index = 0; index < length; index++) {
    state = (state * 1103515245 + 12345) % 2 ** 31
    bytes[index] = state >> 16
  }
  return bytes
}

const ramp = (length: number, seed: number) =>
  Float32Array.from(noise(length, seed), (value) => Math.min(1, Math.max(0, (value - 60) / 140)))

/** The obvious way: every target pixel is the mean of the matte under a triangle around its place. */
function reference(task: SomeTask): number[] {
  const { width, height, channels, data } = task.picture
  const { values: matte, width: matteWidth, height: matteHeight } = task.matte
  const weights = (place: number, source: number, target: number) => {
    const support = Math.max(source / target, 1)
    const centre = ((place + 0.5) * source) / target
    const all = Array.from({ length: source }, (_, i) =>
      Math.max(0, 1 - Math.abs(i + 0.5 - centre) / support),
    )
    const total = all.reduce((sum, weight) => sum + weight, 0)
    return all.map((weight) => weight / total)
  }
  const values = []
  for (let y = 0; y < height; y++) {
    const down = weights(y, matteHeight, height)
    for (let x = 0; x < width; x++) {
      let sum = 0
      for (const [i, across] of weights(x, matteWidth, width).entries()) {
        if (across === 0) continue
        for (const [j, weight] of down.entries()) sum += matte[j * matteWidth + i]! * across * weight
      }
      const own = channels === 4 ? data[(y * width + x) * 4 + 3]! / 255 : 1
      values.push(sum * own * 255)
    }
  }
  return values
}

type SomeTask = CompositeTask & { matte: MattePlane }

function someTask(
  width: number,
  height: number,
  channels: 3 | 4,
  matteWidth: number,
  matteHeight: number,
): SomeTask {
  return {
    picture: { data: noise(width * height * channels, 5), width, height, channels },
    matte: { values: ramp(matteWidth * matteHeight, 9), width: matteWidth, height: matteHeight },
    guided: false,
    refine: false,
    keepHiddenColor: false,
  }
}

const even = (value: number): MattePlane => ({
  values: new Float32Array(64).fill(value),
  width: 8,
  height: 8,
})

describe('mask and cut-out', () => {
  it.each([
    [1, 1, 3, 8, 8],
    [1, 500, 3, 16, 16],
    [37, 3, 4, 16, 16],
    [40, 30, 3, 16, 16],
    [40, 30, 4, 100, 90],
    [40, 90, 4, 64, 64],
    [64, 64, 3, 64, 64],
  ] as const)(
    '%ix%i with %i channels from a matte of %ix%i are what the plain arithmetic gives',
    (width, height, channels, matteWidth, matteHeight) => {
      const task = someTask(width, height, channels, matteWidth, matteHeight)
      const expected = reference(task)
      const { mask, rgba } = composite(task)
      for (const [index, value] of expected.entries()) {
        // Half a level of rounding, and what single precision costs.
        expect(Math.abs(mask[index]! - value), `pixel ${index}`).toBeLessThanOrEqual(0.502)
        expect(rgba[index * 4 + 3]).toBe(mask[index])
        const color = [...rgba.subarray(index * 4, index * 4 + 3)]
        expect(color).toEqual(
          mask[index] === 0
            ? [0, 0, 0]
            : [...task.picture.data.subarray(index * channels, index * channels + 3)],
        )
      }
    },
  )

  it('keep the color under alpha 0 when asked to', () => {
    const task = { ...someTask(20, 20, 3, 8, 8), matte: even(0), keepHiddenColor: true }
    const { rgba } = composite(task)
    expect([...rgba.subarray(0, 4)]).toEqual([...task.picture.data.subarray(0, 3), 0])
  })

  it('never stretch a faint or even matte', () => {
    for (const value of [0, 0.2, 0.6, 1]) {
      const { mask } = composite({ ...someTask(50, 40, 3, 8, 8), matte: even(value) })
      expect(new Set(mask)).toEqual(new Set([Math.round(value * 255)]))
    }
  })
})

const plain: CutoutRecipe = {
  depth: 8,
  keepProfile: false,
  rules: undefined,
  refine: true,
  keepHiddenColor: false,
  format: 'png',
  trim: false,
  padding: { pixels: 0 },
  fit: 'contain',
  keepMetadata: false,
}

describe('encoding', () => {
  it('loses nothing: a grey PNG of one channel, and an RGBA PNG', async () => {
    const cutout = composite(someTask(61, 43, 3, 16, 16))
    const mask = await encodeMask(cutout)
    expect(mask).toMatchObject({ extension: 'png', contentType: 'image/png' })
    expect(await sharp(mask.bytes).metadata()).toMatchObject({
      width: 61,
      height: 43,
      channels: 1,
      depth: 'uchar',
    })
    expect(Buffer.compare(await sharp(mask.bytes).toColourspace('b-w').raw().toBuffer(), cutout.mask)).toBe(0)
    const processed = await encodeCutout(cutout, { metadata: {} }, plain)
    expect(new Uint8Array(await sharp(processed.bytes).raw().toBuffer())).toEqual(cutout.rgba)
  })
})

describe('threads', () => {
  /** A model that sees the left half of everything. */
  const half = {
    spec: { name: 'half' } as MatteModel['spec'],
    inputSize: { width: 16, height: 8 },
    predict: async (rgb: Uint8Array) => {
      expect(rgb).toHaveLength(16 * 8 * 3)
      return {
        alpha: Float32Array.from({ length: 128 }, (_, i) => (i % 16 < 8 ? 1 : 0)),
        width: 16,
        height: 8,
      }
    },
  }

  it('make the same cut-outs, many at a time', async () => {
    const files = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        picture(index, 60 + index, 40)
          .jpeg()
          .toBuffer(),
      ),
    )
    const made = await Promise.all(files.map((file) => cutOutInThread(file, half, plain)))
    for (const [index, file] of files.entries()) {
      const expected = await cutOut(file, half, plain)
      expect(Buffer.compare(made[index]!.processed.bytes, expected.processed.bytes)).toBe(0)
      expect(Buffer.compare(made[index]!.mask.bytes, expected.mask.bytes)).toBe(0)
      expect(made[index]!.review).toEqual(expected.review)
    }
  })

  it('take what was found in the header before, and come to the same', async () => {
    const file = await picture(1)
      .withIccProfile('p3')
      .withExif({ IFD0: { Copyright: 'Anna' } })
      .jpeg()
      .toBuffer()
    const { metadata } = await readHeader(file, { maxPixels: 1e6, allowSvg: false })
    expect(metadata).toMatchObject({ format: 'jpeg', icc: expect.any(Buffer), exif: expect.any(Buffer) })
    const recipe = { ...plain, keepProfile: true, keepMetadata: true }
    const made = await cutOutInThread(file, half, recipe, metadata)
    const expected = await cutOut(file, half, recipe)
    expect(Buffer.compare(made.processed.bytes, expected.processed.bytes)).toBe(0)
    const found = await sharp(made.processed.bytes).metadata()
    expect(found.exif?.toString('latin1')).toContain('Anna')
    expect(found.icc).toBeDefined()
  })

  it('pass on what is wrong with the picture, or with the model', async () => {
    const file = await picture(1).jpeg().toBuffer()
    await expect(cutOutInThread(file.subarray(0, 400), half, plain)).rejects.toMatchObject({
      name: 'RmbgError',
      code: 'INPUT_CORRUPT',
      hint: expect.any(String),
    })
    const predict = () => Promise.reject(new RmbgError('MODEL_OUTPUT', 'The mask is no mask.'))
    await expect(cutOutInThread(file, { ...half, predict }, plain)).rejects.toMatchObject({
      code: 'MODEL_OUTPUT',
      message: 'The mask is no mask.',
    })
  })
})
