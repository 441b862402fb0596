/** A model that was trained on letterboxed pictures: what it is shown, and what becomes of its matte. */
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { cutOut } from '../../src/cutout/cutout.ts'
import { letterboxOf } from '../../src/cutout/letterbox.ts'
import type { CutoutRecipe } from '../../src/cutout/options.ts'
import type { Letterbox, Matte } from '../../src/model/contract.ts'

const input = { width: 64, height: 64 }
const letterbox = (padPosition: Letterbox['padPosition']): Letterbox => ({
  padColor: [10, 20, 30],
  padPosition,
})

describe('the picture lies', () => {
  it.each([
    [
      'a wide one, centered',
      { width: 200, height: 100 },
      'center',
      { left: 0, top: 16, width: 64, height: 32 },
    ],
    [
      'a tall one, centered',
      { width: 50, height: 100 },
      'center',
      { left: 16, top: 0, width: 32, height: 64 },
    ],
    ['at the top left', { width: 200, height: 100 }, 'top-left', { left: 0, top: 0, width: 64, height: 32 }],
    ['a thread', { width: 1, height: 5000 }, 'center', { left: 31, top: 0, width: 1, height: 64 }],
    ['a square', { width: 9, height: 9 }, 'center', { left: 0, top: 0, width: 64, height: 64 }],
  ] as const)('%s', (_, picture, padPosition, box) => {
    expect(letterboxOf(picture, input, letterbox(padPosition))).toEqual(box)
  })
})

describe.each(['center', 'top-left'] as const)('a letterboxed model, %s', (padPosition) => {
  const recipe: CutoutRecipe = {
    depth: 8,
    keepProfile: false,
    rules: undefined,
    refine: false,
    keepHiddenColor: false,
    format: 'png',
    trim: false,
    padding: { pixels: 0 },
    fit: 'contain',
    keepMetadata: false,
  }

  it('sees bars of the pad color around the picture, and its matte fits the picture', async () => {
    const white = { r: 255, g: 255, b: 255 }
    const file = await sharp({ create: { width: 200, height: 100, channels: 3, background: white } })
      .png()
      .toBuffer()
    let seen = new Uint8Array()
    /** Takes what is white for the subject. */
    const predict = async (rgb: Uint8Array<ArrayBuffer>): Promise<Matte> => {
      seen = rgb.slice()
      const alpha = Float32Array.from({ length: 64 * 64 }, (_, at) => (rgb[at * 3] === 255 ? 1 : 0))
      return { alpha, ...input }
    }
    const subject = { inputSize: input, spec: { letterbox: letterbox(padPosition) }, predict }
    const { mask } = await cutOut(file, subject, recipe)
    expect([...seen.subarray(-3)]).toEqual([10, 20, 30])
    const top = padPosition === 'center' ? 16 : 0
    expect(seen[top * 64 * 3]).toBe(255)
    const { channels } = await sharp(mask.bytes).stats()
    expect(channels[0]).toMatchObject({ min: 255, max: 255 })
    expect(await sharp(mask.bytes).metadata()).toMatchObject({ width: 200, height: 100 })
  })
})
