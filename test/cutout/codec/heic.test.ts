import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decode } from '../../../src/cutout/codec/decode.ts'
import { readHeader } from '../../../src/cutout/codec/header.ts'
import { colorsOf } from '../../../src/cutout/codec/heif-colors.ts'
import { estimateBytes } from '../../../src/cutout/memory.ts'
import type { CutoutRecipe } from '../../../src/cutout/options.ts'
import { root } from '../../support/cli.ts'
import { blue, expectColors, fromP3, green, grey, plain, quarters as quartersOf, red } from './quarters.ts'

const file = (name: string) => readFile(join(root, 'test/cutout/codec/heic', `${name}.heic`))
const limits = { maxPixels: 1e6, allowSvg: false }
const header = async (name: string) => readHeader(await file(name), limits)

const quarters = async (name: string, keepProfile = false) => quartersOf(await file(name), keepProfile)

describe('a HEIC photo', () => {
  it('is known by its content, and needs memory for its decoder', async () => {
    const found = await header('plain')
    expect(found).toEqual({
      ...{ format: 'heic', extension: 'heic', width: 64, height: 48, bitDepth: 8, frames: 1 },
      metadata: expect.objectContaining({ format: 'heif', compression: 'hevc' }),
    })
    const recipe = { depth: 8, format: 'png', trim: false, padding: { pixels: 0 } } as CutoutRecipe
    const large = { width: 4000, height: 3000 }
    const extra =
      estimateBytes({ ...large, format: 'heic' }, 0, recipe) -
      estimateBytes({ ...large, format: 'jpeg' }, 0, recipe)
    expect(extra).toBeGreaterThanOrEqual(4000 * 3000 * 10)
  })

  it('has the colors that were put in', async () => {
    // Lossy, and through YCbCr.
    expectColors((await quarters('plain')).colors, plain, 4)
  })

  it.each(['p3-profile', 'p3-nclx'])('in Display P3 becomes sRGB: %s', async (name) => {
    expectColors((await quarters(name)).colors, fromP3, 5)
    const kept = await quarters(name, true)
    expectColors(kept.colors, plain, 4)
    expect(kept.profile?.length).toBeGreaterThan(300)
  })

  it('in HDR is refused instead of getting wrong colors', async () => {
    expect(colorsOf(await file('pq'))).toEqual({ primaries: 9, transfer: 16 })
    await expect(decode(await file('pq'))).rejects.toMatchObject({ code: 'INPUT_UNSUPPORTED' })
  })

  it('keeps its transparency', async () => {
    const { channels, colors } = await quarters('alpha')
    expect(channels).toBe(4)
    expect(colors.map((color) => color[3])).toEqual([255, 0, 255, 0])
    expectColors([colors[0]!.slice(0, 3)], [red], 6)
  })

  it('with 10 bits is read with them', async () => {
    expect(await header('ten-bit')).toMatchObject({ bitDepth: 16 })
    const { data, width } = await decode(await file('ten-bit'), { depth: 16, keepProfile: false })
    expect(data).toBeInstanceOf(Uint16Array)
    const row = Array.from({ length: width }, (_, x) => data[x * 3]!)
    // 8 bits would give multiples of 257 only.
    expect(row.filter((value) => value % 257 !== 0).length).toBeGreaterThan(40)
    row.forEach((value, x) => {
      expect(Math.abs(value - (x / (width - 1)) * 65535)).toBeLessThan(600)
    })
  })

  it('is turned upright, and brings its metadata', async () => {
    expect(await header('rotated')).toMatchObject({ width: 48, height: 64 })
    const { width, height, colors, metadata } = await quarters('rotated')
    expect([width, height]).toEqual([48, 64])
    // Clockwise: what was below on the left is above on the left.
    expectColors(colors, [blue, red, grey, green], 6)
    expect(metadata.exif?.toString('latin1')).toContain('anna')
  })

  it('that is cut off is damaged', async () => {
    const bytes = await file('plain')
    await expect(decode(bytes.subarray(0, bytes.length - 60))).rejects.toMatchObject({
      code: 'INPUT_CORRUPT',
    })
  })
})
