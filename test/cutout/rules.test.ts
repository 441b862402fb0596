import sharp, { type Color } from 'sharp'
import { describe, expect, it } from 'vitest'
import { checkPicture, type Making, type PictureRules } from '../../src/cutout/rules.ts'
import { tiff } from '../support/tiff.ts'

/** A red square of 40 pixels in the middle of 100x80 pixels. */
const product = (background: Color, left = 30) =>
  sharp({ create: { width: 100, height: 80, channels: 4, background } })
    .composite([
      { input: { create: { width: 40, height: 40, channels: 3, background: '#f00' } }, left, top: 20 },
    ])
    .png()
    .toBuffer()
const clear = { r: 0, g: 0, b: 0, alpha: 0 }
const broken = async (bytes: Uint8Array, rules: PictureRules, making?: Making) =>
  (await checkPicture(bytes, rules, making)).map(({ rule }) => rule)

describe('a picture', () => {
  it.each<[PictureRules, PictureRules]>([
    [{ formats: ['png'] }, { formats: ['webp', 'jpeg'] }],
    [{ shortestSide: { min: 80, max: 80 } }, { shortestSide: { min: 81 } }],
    [{ longestSide: { min: 100, max: 100 } }, { longestSide: { max: 99 } }],
    [{ maxPixels: 8000 }, { maxPixels: 7999 }],
    [{ square: false }, { square: true }],
    [{ maxBytes: 10_000 }, { maxBytes: 10 }],
    [{ background: [255, 255, 255] }, { background: [255, 255, 254] }],
    [{ subjectShare: { min: 0.5, max: 0.5 } }, { subjectShare: { min: 0.51 } }],
    [{ whole: true, subjectShare: { max: 0.6 } }, { subjectShare: { max: 0.49 } }],
  ])('that keeps %j breaks %j', async (kept, asked) => {
    const bytes = await product('#fff')
    expect(await broken(bytes, kept)).toEqual([])
    expect(await broken(bytes, asked)).toEqual(Object.keys(asked))
  })

  it('is judged by what is visible where its background is transparent', async () => {
    expect(await broken(await product(clear), { subjectShare: { min: 0.5, max: 0.5 } })).toEqual([])
    expect(await broken(await product(clear), { background: [255, 255, 255] })).toEqual(['background'])
  })

  it('is opaque where only a selection was saved in a TIFF', async () => {
    const rules: PictureRules = { background: [255, 255, 255] }
    expect(await broken(tiff({ pixel: [255, 255, 255, 0], extraSamples: [0] }), rules)).toEqual([])
    expect(await broken(tiff({ pixel: [255, 255, 255, 0], extraSamples: [2] }), rules)).toEqual([
      'background',
    ])
  })

  it('is not whole at the edge of its frame, nor when the photo cut it off', async () => {
    expect(await broken(await product('#fff', 60), { whole: true })).toEqual(['whole'])
    const making: Making = { scale: 1.5, touches: ['left'] }
    expect(await broken(await product('#fff'), { whole: true, notEnlarged: true }, making)).toEqual([
      'notEnlarged',
      'whole',
    ])
  })
})
