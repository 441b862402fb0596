/** Cut-outs to order: formats, canvas, background, color profile, depth, metadata. */
import exif from 'exif-reader'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { type DecodedImage, decode } from '../../../src/cutout/codec/decode.ts'
import { encodeCutout } from '../../../src/cutout/codec/encode.ts'
import { toModelInput } from '../../../src/cutout/codec/model-input.ts'
import type { CutoutFormat, EncodeOptions } from '../../../src/cutout/options.ts'
import { composite } from '../../../src/cutout/pixels/composite.ts'
import { tiff } from '../../support/tiff.ts'

const plain: EncodeOptions = {
  format: 'png',
  trim: false,
  padding: { pixels: 0 },
  fit: 'contain',
  keepMetadata: false,
}
const bare: Pick<DecodedImage, 'profile' | 'metadata'> = { metadata: {} }

/** A red square of 40 pixels in the middle of 100 x 80, alpha 0 around it, soft on its left side. */
function cutout(deep = false) {
  const [width, height] = [100, 80]
  const scale = deep ? 257 : 1
  const data = deep ? new Uint16Array(width * height * 3) : new Uint8Array(width * height * 3)
  const values = new Float32Array(width * height)
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const isSubject = x >= 30 && x < 70 && y >= 20 && y < 60
      data.set(isSubject ? [200 * scale, 20 * scale, 30 * scale + (deep ? 100 : 0)] : [90, 90, 90], at * 3)
      values[at] = isSubject ? (x < 34 ? 0.5 : 1) : 0
    }
  }
  return composite({
    picture: { data, width, height, channels: 3 },
    matte: { values, width, height },
    guided: false,
    refine: false,
    keepHiddenColor: false,
  })
}

/** A picture that is all subject. */
const uncut = (image: Pick<DecodedImage, 'data' | 'width' | 'height'>) =>
  composite({
    picture: { ...image, channels: 3 },
    matte: { values: new Float32Array(1).fill(1), width: 1, height: 1 },
    guided: false,
    refine: false,
    keepHiddenColor: false,
  })

const pixel = async (bytes: Uint8Array, x: number, y: number): Promise<number[]> => {
  const { data, info } = await sharp(bytes).raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  return [...data.subarray((y * info.width + x) * info.channels).subarray(0, info.channels)]
}
const worst = (a: number[], b: number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))

describe('every format', () => {
  it.each([
    ['png', 'image/png', 'png', 0],
    ['webp', 'image/webp', 'webp', 12],
    ['avif', 'image/avif', 'avif', 12],
    ['tiff', 'image/tiff', 'tiff', 0],
  ] as const)('%s keeps color and transparency', async (format, contentType, extension, tolerance) => {
    const encoded = await encodeCutout(cutout(), bare, { ...plain, format })
    expect(encoded).toMatchObject({ contentType, extension, width: 100, height: 80, scale: 1 })
    expect(worst(await pixel(encoded.bytes, 50, 40), [200, 20, 30, 255])).toBeLessThanOrEqual(tolerance)
    expect((await pixel(encoded.bytes, 5, 5))[3]).toBe(0)
    expect((await pixel(encoded.bytes, 32, 40))[3]).toBeGreaterThan(100)
  })

  it('jpeg, which has no transparency, stands on white', async () => {
    const encoded = await encodeCutout(cutout(), bare, { ...plain, format: 'jpeg' })
    expect(encoded).toMatchObject({ contentType: 'image/jpeg', extension: 'jpg' })
    expect(worst(await pixel(encoded.bytes, 2, 2), [255, 255, 255])).toBe(0)
    expect(worst(await pixel(encoded.bytes, 50, 40), [200, 20, 30])).toBeLessThanOrEqual(4)
  })

  it('obeys quality, and a limit of bytes', async () => {
    const picture = await sharp({
      create: {
        width: 300,
        height: 300,
        channels: 3,
        background: '#888',
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
      .raw()
      .toBuffer()
    const noisy = uncut({ data: new Uint8Array(picture), width: 300, height: 300 })
    const size = async (options: Partial<EncodeOptions>) =>
      (await encodeCutout(noisy, bare, { ...plain, format: 'jpeg', ...options })).bytes.byteLength
    const [good, poor] = [await size({ quality: 95 }), await size({ quality: 40 })]
    expect(poor).toBeLessThan(good / 2)
    const limit = Math.round((good + poor) / 2)
    const limited = await size({ quality: 95, maxBytes: limit })
    expect(limited).toBeLessThanOrEqual(limit)
    expect(limited).toBeGreaterThan(poor)
    await expect(size({ maxBytes: 2000 })).rejects.toMatchObject({ code: 'OUTPUT_TOO_LARGE' })
  })

  it('refuses a canvas it cannot hold', async () => {
    const long = encodeCutout(cutout(), bare, {
      ...plain,
      format: 'webp',
      size: { width: 20000, height: 10 },
    })
    await expect(long).rejects.toMatchObject({
      code: 'OUTPUT_TOO_LARGE',
      message: 'The cut-out has 20000x10 pixels, and WEBP holds at most 16383 a side.',
    })
  })
})

describe('the canvas', () => {
  it('is trimmed to the subject, padded and resized', async () => {
    const encoded = await encodeCutout(cutout(), bare, {
      ...plain,
      trim: true,
      size: { width: 100, height: 100 },
      padding: { share: 0.1 },
    })
    expect(encoded).toMatchObject({ width: 100, height: 100, scale: 2 })
    expect((await pixel(encoded.bytes, 5, 50))[3]).toBe(0)
    expect(await pixel(encoded.bytes, 60, 50)).toEqual([200, 20, 30, 255])
  })

  it('has the background color everywhere, soft edges blended with it', async () => {
    const background = { color: [0, 0, 250] as [number, number, number] }
    const encoded = await encodeCutout(cutout(), bare, { ...plain, background, padding: { pixels: 7 } })
    expect(encoded).toMatchObject({ width: 114, height: 94 })
    expect(await pixel(encoded.bytes, 0, 0)).toEqual([0, 0, 250])
    expect(worst(await pixel(encoded.bytes, 39, 47), [100, 10, 140])).toBeLessThanOrEqual(1)
  })

  it('is covered by a background picture', async () => {
    const ground = sharp({ create: { width: 30, height: 90, channels: 3, background: '#0a6' } })
    const bytes = await ground.png().toBuffer()
    const picture = new Uint8Array(new SharedArrayBuffer(bytes.length))
    picture.set(bytes)
    const encoded = await encodeCutout(cutout(), bare, { ...plain, background: { picture } })
    expect(encoded).toMatchObject({ width: 100, height: 80 })
    expect(await pixel(encoded.bytes, 0, 79)).toEqual([0, 170, 102])
    expect(await pixel(encoded.bytes, 50, 40)).toEqual([200, 20, 30])
    expect(worst(await pixel(encoded.bytes, 32, 40), [100, 95, 66])).toBeLessThanOrEqual(1)
  })

  it('shows a background TIFF whole, whatever selection was saved in it', async () => {
    const picture = tiff({ pixel: [0, 170, 102, 0], extraSamples: [0] })
    const encoded = await encodeCutout(cutout(), bare, { ...plain, background: { picture } })
    expect(await pixel(encoded.bytes, 0, 79)).toEqual([0, 170, 102])
    const clear = tiff({ pixel: [0, 170, 102, 0], extraSamples: [2] })
    const onWhite = await encodeCutout(cutout(), bare, { ...plain, background: { picture: clear } })
    expect(await pixel(onWhite.bytes, 0, 79)).toEqual([255, 255, 255])
  })
})

describe('16 bits', () => {
  const deepPixel = async (bytes: Uint8Array, x: number, y: number) => {
    const { data, info } = await sharp(bytes)
      .toColourspace('rgb16')
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true })
    const samples = new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    return [...samples.subarray((y * info.width + x) * info.channels).subarray(0, info.channels)]
  }

  it.each(['png', 'tiff'] as const)('go into a %s unchanged', async (format) => {
    const { bytes } = await encodeCutout(cutout(true), bare, { ...plain, format })
    expect(await sharp(bytes).metadata()).toMatchObject({ depth: 'ushort', channels: 4 })
    expect(await deepPixel(bytes, 50, 40)).toEqual([51400, 5140, 7810, 65535])
    expect((await deepPixel(bytes, 32, 40))[3]).toBe(32768)
  })

  it('stand on pure white, also where the canvas is larger', async () => {
    const background = { color: [255, 255, 255] as [number, number, number] }
    const { bytes } = await encodeCutout(cutout(true), bare, { ...plain, background, padding: { pixels: 3 } })
    expect(await deepPixel(bytes, 0, 0)).toEqual([65535, 65535, 65535])
    expect(await deepPixel(bytes, 53, 43)).toEqual([51400, 5140, 7810])
  })

  it('come from 16-bit files with a profile as sRGB', async () => {
    const samples = new Uint16Array(4 * 4 * 3).map((_, i) => [60000, 20000, 10000][i % 3]!)
    const p3 = await sharp(samples, { raw: { width: 4, height: 4, channels: 3 } })
      .toColourspace('rgb16')
      .withIccProfile('p3')
      .png()
      .toBuffer()
    const eight = await decode(p3)
    const deep = await decode(p3, { depth: 16, keepProfile: false })
    expect(deep.data).toBeInstanceOf(Uint16Array)
    const scaled = [...deep.data.subarray(0, 3)].map((value) => value / 257)
    expect(worst(scaled, [...eight.data.subarray(0, 3)])).toBeLessThanOrEqual(3)
    expect(worst(scaled, [60000 / 257, 20000 / 257, 10000 / 257])).toBeGreaterThan(10)
  })
})

describe('the color profile', () => {
  const p3 = () =>
    sharp({ create: { width: 20, height: 10, channels: 3, background: '#c83c14' } })
      .withIccProfile('p3')
      .png()
      .toBuffer()

  it('is kept with its numbers when asked to, in every format that can hold it', async () => {
    const file = await p3()
    const original = await sharp(file).metadata()
    const numbers = [...(await sharp(file, { ignoreIcc: true }).raw().toBuffer()).subarray(0, 3)]
    const image = await decode(file, { depth: 8, keepProfile: true })
    expect([...image.data.subarray(0, 3)]).toEqual(numbers)
    const whole = uncut(image)
    for (const format of ['png', 'webp', 'avif', 'tiff', 'jpeg'] as CutoutFormat[]) {
      const { bytes } = await encodeCutout(whole, image, { ...plain, format })
      expect((await sharp(bytes).metadata()).icc, format).toEqual(original.icc)
      const kept = [...(await sharp(bytes, { ignoreIcc: true }).raw().toBuffer()).subarray(0, 3)]
      expect(worst(kept, numbers), format).toBeLessThanOrEqual(['png', 'tiff'].includes(format) ? 0 : 5)
    }
  })

  it('is kept by 16-bit pictures too, and the model sees them in sRGB', async () => {
    const samples = new Uint16Array(6 * 6 * 3).map((_, i) => [50000, 20001, 10003][i % 3]!)
    const file = await sharp(samples, { raw: { width: 6, height: 6, channels: 3 } })
      .toColourspace('rgb16')
      .withIccProfile('p3')
      .png()
      .toBuffer()
    const image = await decode(file, { depth: 16, keepProfile: true })
    expect([...image.data.subarray(0, 3)]).toEqual([50000, 20001, 10003])
    const seen = [...(await toModelInput(image, { width: 2, height: 2 })).subarray(0, 3)]
    expect(worst(seen, [...(await decode(file)).data.subarray(0, 3)])).toBeLessThanOrEqual(3)
    const whole = uncut(image)
    for (const format of ['png', 'tiff'] as const) {
      const { bytes } = await encodeCutout(whole, image, { ...plain, format })
      expect((await sharp(bytes).metadata()).icc, format).toEqual((await sharp(file).metadata()).icc)
      const kept = await decode(bytes, { depth: 16, keepProfile: true })
      expect([...kept.data.subarray(0, 4)], format).toEqual([50000, 20001, 10003, 65535])
    }
  })

  it('is converted away otherwise', async () => {
    const image = await decode(await p3())
    expect(image.profile).toBeUndefined()
    expect(worst([...image.data.subarray(0, 3)], [200, 60, 20])).toBeLessThanOrEqual(2)
  })
})

describe('metadata', () => {
  const gpsXmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" exif:GPSLatitude="51,30.0N" xmp:Rating="4"><exif:GPSLongitude>0,7.0W</exif:GPSLongitude><dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Zoë &amp; Co</rdf:li></rdf:Alt></dc:rights></rdf:Description></rdf:RDF></x:xmpmeta>`
  const photo = () =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } })
      .withExif({
        IFD0: { Copyright: 'Anna', Artist: 'Anna B', Make: 'Camera' },
        IFD2: { ExposureTime: '1/100', LensModel: 'Lens 50' },
        IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' },
      })
      .withXmp(gpsXmp)
      .jpeg()
      .toBuffer()
  const through = async (file: Buffer, options: Partial<EncodeOptions>) => {
    const image = await decode(file)
    const whole = uncut(image)
    const { bytes } = await encodeCutout(whole, image, { ...plain, ...options })
    const metadata = await sharp(bytes).metadata()
    return { exif: metadata.exif && exif(metadata.exif), xmp: metadata.xmp?.toString() ?? '' }
  }

  it.each(['png', 'webp', 'avif', 'tiff', 'jpeg'] as const)(
    'of a %s say whose it is, and nothing else',
    async (format) => {
      const { exif: tags, xmp } = await through(await photo(), { format })
      // libvips writes no EXIF into a TIFF.
      if (format !== 'tiff') expect(tags?.Image).toMatchObject({ Artist: 'Anna B' })
      expect(tags?.Image?.Make).toBeUndefined()
      expect(tags?.GPSInfo).toBeUndefined()
      expect(xmp).toContain('© Zoë &amp; Co')
      expect(xmp).not.toMatch(/GPS|Rating/)
    },
  )

  it('are all kept when asked to, except the place', async () => {
    const { exif: tags, xmp } = await through(await photo(), { format: 'jpeg', keepMetadata: true })
    expect(tags?.Image).toMatchObject({ Artist: 'Anna B', Make: 'Camera', Copyright: 'Anna' })
    expect(tags?.Photo).toMatchObject({ ExposureTime: 0.01, LensModel: 'Lens 50' })
    expect(tags?.GPSInfo).toBeUndefined()
    expect(xmp).toContain('Rating')
    expect(xmp).not.toContain('GPS')
  })

  it('that are damaged do not fail a picture', async () => {
    const image = {
      metadata: { exif: Buffer.from('Exif\0\0nonsense'), xmp: Buffer.from('<x:xmpmeta><broken') },
    }
    for (const keepMetadata of [false, true]) {
      await expect(encodeCutout(cutout(), image, { ...plain, keepMetadata })).resolves.toMatchObject({
        width: 100,
      })
    }
  })
})

describe('a shadow', () => {
  const below = { x: 0, y: 0.25, blur: 0, strength: 0.5 } // 10 pixels down: the subject is 40 long
  const shadow = (more: Partial<EncodeOptions> = {}, deep = false) =>
    encodeCutout(cutout(deep), bare, { ...plain, shadow: below, ...more })

  it('lies under the subject, black and partly transparent, and changes none of its opaque pixels', async () => {
    const { bytes } = await shadow()
    expect(await pixel(bytes, 50, 40)).toEqual([200, 20, 30, 255])
    expect(await pixel(bytes, 50, 65)).toEqual([0, 0, 0, 128])
    expect(await pixel(bytes, 50, 15)).toEqual([0, 0, 0, 0])
    expect(await pixel(bytes, 50, 75)).toEqual([0, 0, 0, 0])
  })

  it('shows through where the subject is half transparent', async () => {
    // Half of (200, 20, 30) over half of what a shadow of a quarter leaves: .5 + .5 * .25
    const [red, , , alpha] = await pixel((await shadow()).bytes, 32, 40)
    expect(Math.abs(alpha! - 255 * 0.625)).toBeLessThanOrEqual(1)
    expect(Math.abs(red! - 200 * (0.5 / 0.625))).toBeLessThanOrEqual(1)
  })

  it('darkens its background', async () => {
    const { bytes } = await shadow({ background: { color: [200, 200, 200] } })
    expect(worst(await pixel(bytes, 50, 65), [100, 100, 100])).toBeLessThanOrEqual(1)
    expect(await pixel(bytes, 5, 5)).toEqual([200, 200, 200])
  })

  it('is the same in 16 bits, and reaches into the padding', async () => {
    const { bytes } = await shadow({ trim: true, padding: { pixels: 20 } }, true)
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 80, height: 80, depth: 'ushort' })
    expect((await pixel(bytes, 40, 68))[3]).toBe(128)
    expect((await pixel(bytes, 40, 71))[3]).toBe(0)
  })

  it('fades out with its blur, however wide', async () => {
    for (const blur of [0.05, 0.25]) {
      const { bytes } = await shadow({ shadow: { ...below, blur } })
      const alphas = await Promise.all([62, 68, 74].map(async (y) => (await pixel(bytes, 50, y))[3]!))
      expect(alphas, `${blur}`).toEqual([...alphas].sort((a, b) => b - a))
      expect(alphas[0]! - alphas[2]!, `${blur}`).toBeGreaterThan(20)
    }
  })

  it('may fall outside the canvas altogether', async () => {
    const { bytes } = await shadow({ shadow: { x: -0.99, y: 0.99, blur: 0, strength: 1 } })
    expect(await pixel(bytes, 50, 40)).toEqual([200, 20, 30, 255])
  })
})
