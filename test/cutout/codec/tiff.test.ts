/** TIFFs of every kind: what their channels mean, 32 bits and profiles, and kinds that are refused in one sentence. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type DecodeOptions, decode } from '../../../src/cutout/codec/decode.ts'
import { readHeader } from '../../../src/cutout/codec/header.ts'
import { pictureFile } from '../../../src/process/source.ts'
import { profile } from '../../support/icc.ts'
import { type TiffOptions, tiff } from '../../support/tiff.ts'

const limits = { maxPixels: 1e8, allowSvg: false }
/** Rounding, once to 16 and once to 8 bits. */
const rounding = 1

async function firstPixel(bytes: Uint8Array, options?: DecodeOptions): Promise<number[]> {
  await readHeader(bytes, limits)
  const { data, width, height, channels } = await decode(bytes, options)
  expect({ width, height, length: data.length }).toEqual({ width: 6, height: 4, length: 24 * channels })
  return [...data.subarray(0, channels)]
}

function expectNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual, `${actual} is not ${expected}`).toHaveLength(expected.length)
  for (const [index, value] of expected.entries()) {
    expect(Math.abs(actual[index]! - value), `${actual} is not ${expected}`).toBeLessThanOrEqual(tolerance)
  }
}

const times = (factor: number, values: readonly number[]) => values.map((value) => value * factor)
const red = [200, 40, 30]
const halfRed = [100, 20, 15]
const inks = [10, 100, 200, 5]
const selection = 77

describe('a selection saved in a TIFF', () => {
  const kinds: [string, TiffOptions][] = [
    ['RGB', { pixel: red }],
    ['RGB of 16 bits', { pixel: times(257, red), bits: 16 }],
    ['RGB with a profile', { pixel: red, profile: profile('AdobeRGB', 2.2) }],
    ['gray', { pixel: [90], photometric: 1 }],
    ['gray of 16 bits', { pixel: [90 * 257], bits: 16, photometric: 1 }],
    [
      'gray of 16 bits with a profile',
      { pixel: [90 * 257], bits: 16, photometric: 1, profile: profile('gray', 1.8) },
    ],
    ['gray where 0 is white', { pixel: [90], photometric: 0 }],
    ['CMYK', { pixel: inks, photometric: 5 }],
    ['CMYK of 16 bits', { pixel: times(257, inks), bits: 16, photometric: 5 }],
    ['LAB of 16 bits', { pixel: [32768, 5120, 2560], bits: 16, photometric: 8 }],
    ['floating-point RGB', { pixel: [0.5, 0.02, 0.01], bits: 32, sampleFormat: 3 }],
    [
      'floating-point RGB with a profile',
      { pixel: [0.5, 0.02, 0.01], bits: 32, sampleFormat: 3, profile: profile('AdobeRGB', 2.2) },
    ],
    ['floating-point gray', { pixel: [0.5], bits: 32, sampleFormat: 3, photometric: 1 }],
    ['RGB of 32 bits', { pixel: times(2 ** 24, red), bits: 32 }],
    ['gray of 32 bits', { pixel: [90 * 2 ** 24], bits: 32, photometric: 1 }],
  ]

  describe.each(kinds)('%s', (_, kind) => {
    const withChannels = (values: readonly number[], extraSamples?: readonly number[]) => {
      const unit = kind.sampleFormat === 3 ? 1 / 255 : (2 ** (kind.bits ?? 8) - 1) / 255
      const pixel = [...kind.pixel, ...values.map((value) => value * unit)].map((value) =>
        kind.sampleFormat === 3 ? value : Math.floor(value),
      )
      return tiff({ ...kind, pixel, ...(extraSamples && { extraSamples }) })
    }

    it.each([
      ['one', [selection], [0]],
      ['one that the file does not declare', [selection], undefined],
      ['two', [selection, 0], [0, 0]],
      ['two that the file does not declare', [selection, 0], undefined],
      ['five that the file does not declare', [selection, 0, 255, 9, selection], undefined],
      ['three', [selection, 0, 255], [0, 0, 0]],
      ['fifty', Array(50).fill(selection), Array(50).fill(0)],
    ])('is no transparency: %s', async (name, values, extraSamples) => {
      const plain = await firstPixel(tiff(kind))
      expect(plain).toHaveLength(3)
      if (kind.bits === undefined && name.startsWith('one that') && kind.photometric === 1)
        expect(plain[0]).toBe(90)
      expect(await firstPixel(withChannels(values, extraSamples))).toEqual(plain)
    })
  })

  it.each([
    ['transparency alone', [128], [2], 128],
    ['transparency before it', [128, selection], [2, 0], 128],
    ['transparency behind it', [selection, 128], [0, 2], 128],
    ['transparency between two', [selection, 128, 5], [0, 2, 0], 128],
    ['a second transparency', [128, 5], [2, 2], 128],
  ])('leaves %s as it is', async (_, values, extraSamples, alpha) => {
    expect(await firstPixel(tiff({ pixel: [...red, ...values], extraSamples }))).toEqual([...red, alpha])
    const gray = tiff({ pixel: [90, ...values], photometric: 1, extraSamples })
    expect(await firstPixel(gray)).toEqual([90, 90, 90, alpha])
    const deep = tiff({ pixel: times(257, [...red, ...values]), bits: 16, extraSamples })
    expectNear(await firstPixel(deep), [...red, alpha], rounding)
    expect(await firstPixel(deep, { depth: 16, keepProfile: false })).toEqual(times(257, [...red, alpha]))
    const printed = await firstPixel(tiff({ pixel: inks, photometric: 5 }))
    const cmyk = tiff({ pixel: [...inks, ...values], photometric: 5, extraSamples })
    expect(await firstPixel(cmyk)).toEqual([...printed, alpha])
  })

  it.each([
    ['alone', [128], [1]],
    ['before a selection', [128, selection], [1, 0]],
    ['behind a selection', [selection, 128], [0, 1]],
  ])(
    'colors that are multiplied by their transparency are divided by it: %s',
    async (_, values, extraSamples) => {
      const bytes = tiff({ pixel: [...halfRed, ...values], extraSamples })
      expectNear(await firstPixel(bytes), [...red, 128], 2 * rounding)
    },
  )

  it.each([
    { big: false, bigEndian: false },
    { big: false, bigEndian: true },
    { big: true, bigEndian: false },
    { big: true, bigEndian: true },
  ])('is found in any byte order and in BigTIFF: %o', async (layout) => {
    for (const count of [1, 2, 5]) {
      const pixel = [...red, ...Array(count).fill(selection)]
      expect(await firstPixel(tiff({ pixel, extraSamples: Array(count).fill(0), ...layout }))).toEqual(red)
    }
  })

  it('does not open a picture with more channels than Photoshop can save', async () => {
    const pixel = Array(70).fill(9)
    await expect(readHeader(tiff({ pixel, extraSamples: Array(67).fill(0) }), limits)).rejects.toMatchObject({
      code: 'INPUT_UNSUPPORTED',
      message: 'The picture has more than 64 channels.',
    })
  })
})

describe('32 bits per channel', () => {
  const float = { bits: 32, sampleFormat: 3 } as const
  const adobe = profile('AdobeRGB', 2.2)

  it('integers have their whole range', async () => {
    const bytes = tiff({ pixel: times(0x01010101, red), bits: 32 })
    expectNear(await firstPixel(bytes), red, rounding)
    const gray = tiff({ pixel: [0x01010101 * 90], bits: 32, photometric: 1 })
    expectNear(await firstPixel(gray), [90, 90, 90], rounding)
    expect(await firstPixel(tiff({ pixel: [2 ** 32 - 1, 0, 0], bits: 32 }))).toEqual([255, 0, 0])
  })

  it('integers and floating-point numbers follow the profile as 16 bits do', async () => {
    const reference = await firstPixel(tiff({ pixel: times(257, red), bits: 16, profile: adobe }))
    expect(reference[0]).toBeGreaterThan(red[0]! + 10)
    const integers = tiff({ pixel: times(0x01010101, red), bits: 32, profile: adobe })
    expectNear(await firstPixel(integers), reference, rounding)
    const floats = tiff({ pixel: times(1 / 255, red), ...float, profile: adobe })
    expectNear(await firstPixel(floats), reference, rounding)
    // Lightroom and Photoshop write such profiles.
    const linear = profile('sRGB', 1)
    const halves = [0x3800, 0x251f, 0x211f] // 0.5, 0.02 and 0.01
    for (const icc of [undefined, linear]) {
      const half = tiff({ pixel: halves, bits: 16, shorts: { 339: [3, 3, 3] }, ...(icc && { profile: icc }) })
      expectNear(await firstPixel(half), [188, 39, 25], rounding)
    }
    const light = tiff({ pixel: [0.5, 0.02, 0.01], ...float, profile: linear })
    expectNear(await firstPixel(light), [188, 39, 25], rounding)
    const gray = { photometric: 1, profile: profile('gray', 1.8) }
    const grayReference = await firstPixel(tiff({ pixel: [90 * 257], bits: 16, ...gray }))
    expectNear(await firstPixel(tiff({ pixel: [90 / 255], ...float, ...gray })), grayReference, rounding)
  })

  it('keeps the profile where that is wanted', async () => {
    for (const bytes of [
      tiff({ pixel: times(1 / 255, red), ...float, profile: adobe }),
      tiff({ pixel: times(0x01010101, red), bits: 32, profile: adobe }),
    ]) {
      const kept = await decode(bytes, { depth: 8, keepProfile: true })
      expect(kept.profile?.equals(adobe)).toBe(true)
      expectNear([...kept.data.subarray(0, 3)], red, rounding)
    }
  })

  it('floating-point numbers without a profile are scene-linear light', async () => {
    const color = tiff({ pixel: [0.5, 0.02, 0.01], ...float })
    expectNear(await firstPixel(color), [188, 39, 25], rounding)
    expectNear(await firstPixel(tiff({ pixel: [0.5], ...float, photometric: 1 })), [188, 188, 188], rounding)
    expect(await firstPixel(tiff({ pixel: [7], ...float, photometric: 1 }))).toEqual([255, 255, 255])
    expect(await firstPixel(tiff({ pixel: [Number.NaN], ...float, photometric: 1 }))).toEqual([0, 0, 0])
    // A profile of another color space says nothing about these numbers.
    const wrong = tiff({ pixel: [0.5, 0.02, 0.01], ...float, profile: profile('gray', 1.8) })
    expectNear(await firstPixel(wrong), [188, 39, 25], rounding)
  })

  it('floating-point RGB keeps its transparency', async () => {
    const pixel = [...times(1 / 255, red), 0.3, 0.5]
    const bytes = tiff({ pixel, ...float, profile: profile('sRGB', 2.2), extraSamples: [0, 2] })
    expectNear((await firstPixel(bytes)).slice(3), [128], rounding)
  })

  it('is turned upright', async () => {
    const bytes = tiff({
      pixel: times(1 / 255, red),
      ...float,
      width: 4,
      height: 6,
      profile: adobe,
      shorts: { 274: [6] },
    })
    expect(await decode(bytes)).toMatchObject({ width: 6, height: 4 })
  })
})

describe('gray with 16 bits', () => {
  const gammas = [1, 1.8, 2.2]
  /** The curve of sRGB. */
  const encoded = (light: number) => Math.round(255 * (1.055 * light ** (1 / 2.4) - 0.055))

  it.each(gammas)('follows its profile as gray with 8 bits does: gamma %f', async (gamma) => {
    const icc = profile('gray', gamma)
    const expected = Array(3).fill(encoded((90 / 255) ** gamma))
    expectNear(await firstPixel(tiff({ pixel: [90], photometric: 1, profile: icc })), expected, rounding)
    const deep = tiff({ pixel: [90 * 257], bits: 16, photometric: 1, profile: icc })
    expectNear(await firstPixel(deep), expected, rounding)
    const sixteen = await firstPixel(deep, { depth: 16, keepProfile: false })
    expectNear(times(1 / 257, sixteen), expected, rounding)
    const kept = await decode(deep, { depth: 8, keepProfile: true })
    expect(kept.profile).toBeUndefined()
    expectNear([...kept.data.subarray(0, 3)], expected, rounding)
  })

  it('follows it in a PNG with transparency', async () => {
    const icc = profile('gray', 1.8)
    const pixels = new Uint16Array(48).map((_, index) => (index % 2 ? 128 : 90) * 257)
    const raw = sharp(pixels, { raw: { width: 6, height: 4, channels: 2 } }).toColourspace('grey16')
    const { inProfile } = await import('../../../src/cutout/codec/raw.ts')
    const png = await inProfile(raw, icc)
    const expected = encoded((90 / 255) ** 1.8)
    expectNear(await firstPixel(png), [expected, expected, expected, 128], rounding)
    const sixteen = await firstPixel(png, { depth: 16, keepProfile: false })
    expectNear(times(1 / 257, sixteen), [expected, expected, expected, 128], rounding)
  })

  it('is read without a profile that is damaged or of another color space', async () => {
    const damaged = profile('gray', 1.8)
    damaged.fill(0xff, 128)
    for (const icc of [damaged, profile('sRGB', 1.8), Buffer.from('no profile')]) {
      const bytes = tiff({ pixel: [90 * 257], bits: 16, photometric: 1, profile: icc })
      expectNear(await firstPixel(bytes), [90, 90, 90], rounding)
    }
  })
})

describe('other TIFFs', () => {
  it('are read as before: pages, palettes, YCbCr in JPEG', async () => {
    const palette = Array(768).fill(0)
    for (const [channel, value] of red.entries()) palette[channel * 256 + 5] = value * 257
    const colors = { photometric: 3, shorts: { 320: palette } }
    expect(await firstPixel(tiff({ pixel: [5], ...colors }))).toEqual(red)
    expect(await firstPixel(tiff({ pixel: [5, selection], extraSamples: [0], ...colors }))).toEqual(red)
    expect(await firstPixel(tiff({ pixel: [5, 128], extraSamples: [2], ...colors }))).toEqual([...red, 128])
    const pages = sharp(Buffer.from([...Array(24).fill(red), ...Array(24).fill([0, 0, 0])].flat()), {
      raw: { width: 6, height: 8, channels: 3, pageHeight: 4 },
    })
    const twoPages = await pages.tiff({ compression: 'lzw' }).toBuffer()
    expect((await sharp(twoPages).metadata()).pages).toBe(2)
    expect(await firstPixel(twoPages)).toEqual(red)
    const plain = sharp(tiff({ pixel: red }))
    const jpeg = await plain.clone().tiff({ compression: 'jpeg', quality: 100 }).toBuffer()
    expectNear(await firstPixel(jpeg), red, 2)
    expect(await firstPixel(await plain.clone().tiff({ tile: true, compression: 'lzw' }).toBuffer())).toEqual(
      red,
    )
  })
})

describe('a TIFF that cannot be read', () => {
  const asRgb = 'Save it as RGB with 8 or 16 bits per channel.'
  it.each<[string, TiffOptions]>([
    ['is compressed as ZSTD', { pixel: red, compression: 50000 }],
    ['is compressed as LZMA', { pixel: red, compression: 34925 }],
    ['is compressed as old-style JPEG', { pixel: red, compression: 6 }],
    ['is compressed as JPEG 2000', { pixel: red, compression: 34712 }],
    ['is compressed as LERC', { pixel: red, compression: 34887 }],
    ['is compressed as JPEG XL', { pixel: red, compression: 50002 }],
    ['is compressed in an unknown way (65000)', { pixel: red, compression: 65000 }],
    ['holds 8-bit integers in LAB', { pixel: [128, 10, 10], photometric: 8 }],
    ['holds 8-bit integers in LAB', { pixel: [128, 10, 10, selection], photometric: 8, extraSamples: [0] }],
    ['holds 32-bit integers in CMYK', { pixel: inks, photometric: 5, bits: 32 }],
    [
      'holds 32-bit floating-point numbers in CMYK',
      { pixel: inks, photometric: 5, bits: 32, sampleFormat: 3 },
    ],
    ['holds 16-bit signed integers in RGB', { pixel: red, bits: 16, sampleFormat: 2 }],
    ['holds 32-bit signed integers in RGB', { pixel: red, bits: 32, sampleFormat: 2 }],
    ['holds 64-bit integers in RGB', { pixel: red, bits: 64 }],
    ['holds 64-bit floating-point numbers in RGB', { pixel: red, bits: 64, sampleFormat: 3 }],
    [
      'holds 16-bit floating-point numbers in grayscale',
      { pixel: [0x3800], photometric: 1, bits: 16, shorts: { 339: [3] } },
    ],
    ['holds complex numbers in grayscale', { pixel: [9], bits: 64, sampleFormat: 6, photometric: 1 }],
    ['holds inks other than CMYK', { pixel: [...inks, 9, 9], photometric: 5, shorts: { 332: [2] } }],
    ['holds colors of an unknown kind (9)', { pixel: red, photometric: 9 }],
    ['holds colors of an unknown kind (32803)', { pixel: red, photometric: 32803 }],
    [
      'holds YCbCr without JPEG compression',
      { pixel: [87, 96, 208], photometric: 6, shorts: { 530: [1, 1] } },
    ],
    [
      'has transparency with 16-bit integers in CMYK',
      { pixel: [...inks, 9], photometric: 5, bits: 16, extraSamples: [2] },
    ],
    ['has transparency with 32-bit integers in RGB', { pixel: [...red, 9], bits: 32, extraSamples: [1] }],
  ])('%s', async (what, kind) => {
    const hint = what.includes('compressed') ? 'Save it with LZW or ZIP (Deflate) compression.' : asRgb
    const expected = { code: 'INPUT_UNSUPPORTED', message: `This TIFF ${what}, which cannot be read.`, hint }
    for (const layout of [{}, { big: true, bigEndian: true }]) {
      const bytes = tiff({ ...kind, ...layout })
      await expect(readHeader(bytes, limits)).rejects.toMatchObject(expected)
      await expect(decode(bytes)).rejects.toMatchObject(expected)
    }
  })

  it('is told from its file too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rmbg-tiff-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const file = async (name: string, bytes: Buffer) => {
      await writeFile(join(folder, name), bytes)
      return pictureFile(join(folder, name))
    }
    const zstd = await file('zstd.tif', tiff({ pixel: red, compression: 50000 }))
    await expect(readHeader(zstd, limits)).rejects.toMatchObject({ code: 'INPUT_UNSUPPORTED' })
    const lab = await file('lab.tif', tiff({ pixel: [128, 10, 10], photometric: 8 }))
    await expect(readHeader(lab, limits)).rejects.toMatchObject({ code: 'INPUT_UNSUPPORTED' })
    const plain = await file('plain.tif', tiff({ pixel: red }))
    expect(await readHeader(plain, limits)).toMatchObject({
      format: 'tiff',
      width: 6,
      height: 4,
      bitDepth: 8,
    })
  })

  it('is damaged when it is cut off, wherever that is', async () => {
    const bytes = tiff({ pixel: [...red, selection, 0], extraSamples: [0, 0] })
    for (let length = 1; length < bytes.length - 4; length += 7) {
      const error = await decode(bytes.subarray(0, length)).catch((error) => error)
      expect(error, `${length} bytes`).toMatchObject({ code: 'INPUT_CORRUPT' })
    }
  })
})
