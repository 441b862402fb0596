/** Pictures of every kind become upright 8-bit sRGB, or fail with one sentence. */
import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { decode } from '../../../src/cutout/codec/decode.ts'
import { readHeader } from '../../../src/cutout/codec/header.ts'
import { toModelInput } from '../../../src/cutout/codec/model-input.ts'
import { goodFormats, picture } from '../../support/images.ts'

const limits = { maxPixels: 1e8, allowSvg: false }
const red = { r: 200, g: 40, b: 30 }
const flat = (width = 8, height = 6, background: object = red): Sharp =>
  sharp({ create: { width, height, channels: 3, background } })

async function pixel(bytes: Uint8Array, x = 0, y = 0): Promise<number[]> {
  const { data, width, channels } = await decode(bytes)
  return [...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels)]
}

/** Lossless paths may round; JPEG and profile conversions may be off by a few levels. */
function near(actual: number[], expected: number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length)
  const worst = expected.reduce((most, value, index) => Math.max(most, Math.abs(actual[index]! - value)), 0)
  expect(worst, `${actual.slice(0, 4)} is not ${expected.slice(0, 4)}`).toBeLessThanOrEqual(tolerance)
}

describe('every kind of picture', () => {
  it.each(Object.entries(goodFormats))('%s is read with its size and its colors', async (name, make) => {
    const bytes = await make(3)
    const header = await readHeader(bytes, limits)
    const image = await decode(bytes)
    const turned = name.startsWith('turned')
    expect(image).toMatchObject({ width: turned ? 120 : 160, height: turned ? 160 : 120 })
    expect(header).toMatchObject({ width: image.width, height: image.height })
    expect(image.channels, name).toBe(/^alpha|gif$/.test(name) ? 4 : 3)
    expect(image.data.byteLength).toBe(image.width * image.height * image.channels)
    const reference = await picture(3).raw().toBuffer()
    const corner = image.data.subarray((2 * image.width + 2) * image.channels).subarray(0, 3)
    const backdrop = [...reference.subarray((2 * 160 + 2) * 3).subarray(0, 3)]
    // Grey keeps the lightness only, and CMYK inks cannot print every color.
    near([...corner], backdrop, /^(grey|cmyk)/.test(name) ? 20 : 6)
  })

  it.each(['sixteen.png', 'sixteen.tif'])('%s is scaled to 8 bit, not cut off', async (name) => {
    const bytes = await goodFormats[name]!(7)
    expect((await readHeader(bytes, limits)).bitDepth).toBe(16)
    near([...(await decode(bytes)).data], [...(await picture(7).raw().toBuffer())], 1)
  })

  it('grey becomes three equal channels, with and without alpha', async () => {
    const grey = Buffer.alloc(12, 90)
    const bytes = await sharp(grey, { raw: { width: 4, height: 3, channels: 1 } })
      .png()
      .toBuffer()
    expect(await pixel(bytes)).toEqual([90, 90, 90])
    const two = Buffer.from([90, 128, 90, 128])
    const withAlpha = await sharp(two, { raw: { width: 2, height: 1, channels: 2 } })
      .png()
      .toBuffer()
    expect(await pixel(withAlpha)).toEqual([90, 90, 90, 128])
  })

  it('wide colors are converted by their profile on purpose', async () => {
    const p3 = await flat(8, 6, { r: 0, g: 200, b: 0 }).withIccProfile('p3').png().toBuffer()
    near(await pixel(p3), [0, 200, 0], 3)
    // The same numbers mean other colors without the profile.
    const { data } = await sharp(p3, { ignoreIcc: true }).raw().toBuffer({ resolveWithObject: true })
    expect(Math.abs(data[0]! - 0) + Math.abs(data[1]! - 200)).toBeGreaterThan(10)
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('orientation %i is baked in', async (orientation) => {
    // The top left corner of the upright picture is red.
    const corner = { input: await flat(2, 2).png().toBuffer(), left: 0, top: 0 }
    const black = await flat(6, 4, { r: 0, g: 0, b: 0 }).composite([corner]).png().toBuffer()
    const upright = await sharp(black).removeAlpha().png().toBuffer()
    const angle = [0, 0, 180, 180, 90, 270, 270, 90][orientation - 1]!
    const turned = await sharp(upright).rotate(angle).png().toBuffer()
    const mirrored = [2, 4, 5, 7].includes(orientation)
    const stored = await sharp(turned).flop(mirrored).withMetadata({ orientation }).png().toBuffer()
    expect(await readHeader(stored, limits)).toMatchObject({ width: 6, height: 4 })
    expect(await pixel(stored)).toEqual([200, 40, 30])
  })
})

describe('what cannot be read', () => {
  const refused = async (bytes: Uint8Array, changes: object = {}) => {
    const error = await readHeader(bytes, { ...limits, ...changes })
      .then(() => decode(bytes))
      .catch((error) => error)
    expect(error.message, String(error)).toMatch(/^[A-Z].*\.$/)
    return error.code
  }

  it.each(['jpeg', 'png', 'webp', 'tiff', 'gif'] as const)(
    'a %s cut off anywhere is never half a picture',
    async (format) => {
      const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * 7919) % 251))
      const bytes = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
        .toFormat(format)
        .toBuffer()
      for (const share of [0.02, 0.3, 0.6, 0.9]) {
        expect(await refused(bytes.subarray(0, Math.floor(bytes.length * share))), `${share}`).toMatch(
          /^INPUT_(CORRUPT|UNSUPPORTED)$/,
        )
      }
    },
  )

  it('other content, drawings, HEIC and bombs are told apart', async () => {
    expect(await refused(Buffer.from('a shopping list, not a picture'))).toBe('INPUT_UNSUPPORTED')
    expect(await refused(Buffer.from('PK\u0003\u0004 and so on and so forth'))).toBe('INPUT_UNSUPPORTED')
    const svg = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="red"/></svg>',
    )
    expect(await refused(svg)).toBe('INPUT_UNSUPPORTED')
    await readHeader(svg, { ...limits, allowSvg: true })
    expect((await decode(svg)).width).toBe(9)
    const large = await flat(400, 300).png().toBuffer()
    expect(await refused(large, { maxPixels: 119_999 })).toBe('INPUT_TOO_LARGE')
    await readHeader(large, { ...limits, maxPixels: 120_000 })
  })
})

describe('the input of a model', () => {
  it('is stretched to its size, also from 1x1 and 1x5000, in a buffer that may be given away', async () => {
    for (const [width, height] of [
      [1, 1],
      [1, 5000],
      [5000, 1],
      [31, 17],
    ] as const) {
      const image = await decode(await flat(width, height).png().toBuffer())
      const rgb = await toModelInput(image, { width: 64, height: 64 })
      expect(rgb.byteLength).toBe(64 * 64 * 3)
      expect(rgb.buffer.byteLength).toBe(rgb.byteLength)
      expect([...rgb.subarray(0, 3)]).toEqual([200, 40, 30])
    }
  })

  it('shows white where the picture is transparent', async () => {
    const bytes = await sharp(Buffer.from([10, 20, 30, 0, 10, 20, 30, 255]), {
      raw: { width: 2, height: 1, channels: 4 },
    })
      .png()
      .toBuffer()
    const rgb = await toModelInput(await decode(bytes), { width: 2, height: 1 })
    expect([...rgb]).toEqual([255, 255, 255, 10, 20, 30])
  })
})
